// Threads: their numbers, names, thread-local storage, stacks, masks and niceness; ending, joining and starting more of
// them.

#include "probe.h"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define COUNT 8

static struct worker {
    pthread_t thread;
    volatile int tid, asked, answered;
    volatile long fault; // the line where a worker found something wrong
    volatile bool stop;
} workers[COUNT];

static __thread int own_number = -1;
static __thread char own_text[40] = "initial";
static pthread_key_t key;
static int rounds;

// Once round a worker's own state; returns the line of the first thing that is not as it was, or 0.
static long examine(int number, volatile int *on_stack) {
    char name[16], expected[16], text[40];
    sigset_t mask;
    snprintf(expected, sizeof expected, "worker %d", number);
    snprintf(text, sizeof text, "text of %d", number);
    if (own_number != number || strcmp(own_text, text) != 0) return __LINE__;
    if (*on_stack != number * 11) return __LINE__;
    if (pthread_getspecific(key) != (void *)(intptr_t)(number + 100)) return __LINE__;
    if (gettid() != workers[number].tid || syscall(SYS_gettid) != workers[number].tid) return __LINE__;
    if (pthread_getname_np(pthread_self(), name, sizeof name) != 0 || strcmp(name, expected) != 0) return __LINE__;
    if (pthread_self() != workers[number].thread) return __LINE__;
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    for (int signal = SIGRTMIN; signal < SIGRTMIN + COUNT; signal++)
        if (sigismember(&mask, signal) != (signal == SIGRTMIN + number)) return __LINE__;
    if (getpriority(PRIO_PROCESS, workers[number].tid) != number) return __LINE__;
    return 0;
}

static void *work(void *argument) {
    int number = (int)(intptr_t)argument;
    volatile int on_stack = number * 11;
    struct worker *own = &workers[number];
    char name[16];
    sigset_t mask;
    own_number = number;
    snprintf(own_text, sizeof own_text, "text of %d", number);
    pthread_setspecific(key, (void *)(intptr_t)(number + 100));
    snprintf(name, sizeof name, "worker %d", number);
    pthread_setname_np(pthread_self(), name);
    sigemptyset(&mask);
    sigaddset(&mask, SIGRTMIN + number);
    pthread_sigmask(SIG_BLOCK, &mask, NULL);
    setpriority(PRIO_PROCESS, gettid(), number);
    own->tid = gettid();
    while (!own->stop) {
        long fault = examine(number, &on_stack);
        if (fault && !own->fault) own->fault = fault;
        if (own->asked != own->answered) own->answered = own->asked;
        probe_pause_ms(2);
    }
    return (void *)(intptr_t)(number + 1000);
}

static void start(int number) {
    workers[number] = (struct worker){0};
    MUST_ZERO(pthread_create(&workers[number].thread, NULL, work, (void *)(intptr_t)number));
    EVENTUALLY(workers[number].tid, "worker %d does not start", number);
}

static void set_up(void) {
    MUST_ZERO(pthread_key_create(&key, NULL));
    for (int i = 0; i < COUNT; i++) start(i);
}

static void check(void) {
    EXPECT_EQ(getpid(), gettid(), "the main thread's number");
    EXPECT_TEXT(own_text, "initial", "the main thread's thread-local text");
    rounds++;
    for (int i = 0; i < COUNT; i++) workers[i].asked = rounds * 10 + i;
    for (int i = 0; i < COUNT; i++) {
        EVENTUALLY(workers[i].answered == rounds * 10 + i, "worker %d does not run", i);
        EXPECT(!workers[i].fault, "worker %d found something wrong in line %ld", i, workers[i].fault);
        // A signal can be sent to exactly this thread.
        MUST(syscall(SYS_tgkill, getpid(), workers[i].tid, 0));
    }
    // The last one ends, is joined and replaced.
    void *result;
    workers[COUNT - 1].stop = true;
    MUST_ZERO(pthread_join(workers[COUNT - 1].thread, &result));
    EXPECT_EQ((intptr_t)result, COUNT - 1 + 1000, "the result of the thread that was joined");
    start(COUNT - 1);
}

static bool spoil(int way) {
    switch (way) {
    case 0: pthread_setname_np(workers[2].thread, "other"); return true;
    case 1: workers[3].tid++; return true;
    case 2: setpriority(PRIO_PROCESS, workers[4].tid, 15); return true;
    case 3: pthread_cancel(workers[5].thread); return true;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"threads", set_up, check, spoil, NULL});
}
