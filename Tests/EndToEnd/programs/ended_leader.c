// A process whose first thread has ended while others go on: a zombie that works.

#include "probe.h"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
    struct exchange exchange;
    volatile pid_t process, thread;
} *shared;
static pid_t child;

static void *go_on(void *unused) {
    for (;;) {
        if (exchange_is_open(&shared->exchange)) {
            shared->process = getpid();
            shared->thread = gettid();
            exchange_answer(&shared->exchange);
        }
        probe_pause_ms(2);
    }
    return NULL;
}

static char state_of(pid_t pid) {
    char path[64], text[600];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    probe_read(path, text, sizeof text);
    return strrchr(text, ')')[2];
}

static pid_t thread_before;

static void set_up(void) {
    shared = probe_shared(sizeof *shared);
    child = MUST(fork());
    if (child == 0) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, go_on, NULL) != 0) _exit(1);
        pthread_exit(NULL);
    }
    EVENTUALLY(state_of(child) == 'Z', "the first thread does not end");
    exchange_ask(&shared->exchange);
    thread_before = shared->thread;
}

static void check(void) {
    int status;
    EXPECT_EQ(state_of(child), 'Z', "the state of the first thread");
    exchange_ask(&shared->exchange);
    EXPECT_EQ(shared->process, child, "the process's number");
    EXPECT_EQ(shared->thread, thread_before, "the thread's number");
    EXPECT_EQ(waitpid(child, &status, WNOHANG), 0, "the end of a process that goes on");
}

static bool spoil(int way) {
    switch (way) {
    case 0: return kill(child, SIGKILL) == 0;
    case 1: thread_before++; return true;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"ended_leader", set_up, check, spoil, NULL});
}
