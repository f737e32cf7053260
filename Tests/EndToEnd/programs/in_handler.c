// A thread that stands in a signal handler on its alternate stack while the snapshot is taken, and returns from it
// later.

#include "probe.h"
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

static char alternate[64 << 10];
static volatile int tid, depth, leave, mistakes, returned;
static int rounds;

static void stay(int signal) {
    char here;
    sigset_t mask;
    depth++;
    while (!leave) probe_pause_ms(2);
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    if (&here < alternate || &here >= alternate + sizeof alternate) mistakes++;
    if (!sigismember(&mask, SIGUSR1) || !sigismember(&mask, SIGUSR2)) mistakes++;
    depth--;
}

static void *interrupted(void *unused) {
    sigaltstack(&(stack_t){.ss_sp = alternate, .ss_size = sizeof alternate}, NULL);
    tid = gettid();
    volatile double sum = 0.125;
    for (;;) {
        sigset_t mask;
        int turns = returned;
        syscall(SYS_tgkill, getpid(), tid, SIGUSR1); // the handler runs before this returns
        pthread_sigmask(SIG_BLOCK, NULL, &mask);
        if (sigismember(&mask, SIGUSR1) || sigismember(&mask, SIGUSR2) || sum != 0.125 + turns) mistakes++;
        sum += 1;
        returned++;
        while (leave) probe_pause_ms(1);
    }
    return NULL;
}

static void set_up(void) {
    struct sigaction action = {.sa_handler = stay, .sa_flags = SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGUSR2);
    MUST(sigaction(SIGUSR1, &action, NULL));
    pthread_t thread;
    MUST_ZERO(pthread_create(&thread, NULL, interrupted, NULL));
}

static void check(void) {
    EVENTUALLY(depth == 1, "the thread is not in its handler");
    EXPECT_EQ(returned, rounds, "the returns from the handler");
    rounds++;
    leave = 1;
    EVENTUALLY(returned == rounds, "the thread does not return from its handler");
    leave = 0;
    EVENTUALLY(depth == 1, "the thread is not in its handler again");
    EXPECT_EQ(mistakes, 0, "what was wrong in the handler or after it");
}

static bool spoil(int way) {
    switch (way) {
    case 0: leave = 1, probe_pause_ms(20), leave = 0; return true;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"in_handler", set_up, check, spoil, NULL});
}
