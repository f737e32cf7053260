// Signals: handlers with their flags and masks, ignored ones, blocked masks of two threads, pending ones with their
// values, an alternate stack.

#include "probe.h"
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ALTERNATE_SIZE (64 << 10)

static char *alternate;
static volatile int caught, caught_value, caught_on_alternate, other_tid, other_asked, other_mistake;
static sigset_t main_mask;

static void plain(int signal) {
    caught = signal;
}

static void detailed(int signal, siginfo_t *info, void *context) {
    char here;
    caught = signal;
    caught_value = info->si_value.sival_int;
    caught_on_alternate = &here > alternate && &here < alternate + ALTERNATE_SIZE;
}

static void queue(int signal, int value) {
    MUST(sigqueue(getpid(), signal, (union sigval){.sival_int = value}));
}

static void queue_to_other(int signal, int value) {
    siginfo_t info = {.si_signo = signal, .si_code = SI_QUEUE, .si_pid = getpid(), .si_uid = getuid()};
    info.si_value.sival_int = value;
    MUST(syscall(SYS_rt_tgsigqueueinfo, getpid(), other_tid, signal, &info));
}

// Pending: for the process SIGUSR1 and three of SIGRTMIN+3 in order; for the main thread alone SIGUSR2.
static void make_pending(void) {
    MUST(kill(getpid(), SIGUSR1));
    for (int value = 31; value <= 33; value++) queue(SIGRTMIN + 3, value);
    MUST(syscall(SYS_tgkill, getpid(), gettid(), SIGUSR2));
}

static void take(int signal, int code, int value, const char *what) {
    sigset_t set;
    siginfo_t info;
    sigemptyset(&set);
    sigaddset(&set, signal);
    EXPECT_EQ(sigtimedwait(&set, &info, &(struct timespec){0}), signal, what);
    EXPECT_EQ(info.si_code, code, what);
    EXPECT_EQ(info.si_pid, getpid(), what);
    EXPECT_EQ(info.si_uid, getuid(), what);
    if (code == SI_QUEUE) EXPECT_EQ(info.si_value.sival_int, value, what);
}

// The other thread blocks SIGTERM, and what is to stay pending for the process; two signals are pending for it alone.
static int examine_other(void) {
    sigset_t mask, wanted;
    siginfo_t info;
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    if (!sigismember(&mask, SIGRTMIN + 4) || !sigismember(&mask, SIGTERM) || sigismember(&mask, SIGTTOU))
        return __LINE__;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGRTMIN + 4);
    for (int value = 41; value <= 42; value++) {
        if (sigtimedwait(&wanted, &info, &(struct timespec){0}) != SIGRTMIN + 4) return __LINE__;
        if (info.si_value.sival_int != value || info.si_code != SI_QUEUE) return __LINE__;
    }
    if (sigtimedwait(&wanted, &info, &(struct timespec){0}) != -1) return __LINE__;
    stack_t stack;
    if (sigaltstack(NULL, &stack) != 0 || !(stack.ss_flags & SS_DISABLE)) return __LINE__;
    return 0;
}

static void *other(void *unused) {
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGRTMIN + 4);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGUSR1);
    sigaddset(&mask, SIGRTMIN + 3);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    other_tid = gettid();
    for (;;) {
        if (other_asked) {
            other_mistake = examine_other();
            other_asked = 0;
        }
        probe_pause_ms(2);
    }
    return NULL;
}

static void set_up(void) {
    pthread_t thread;
    MUST_ZERO(pthread_create(&thread, NULL, other, NULL));
    EVENTUALLY(other_tid, "the other thread does not start");
    struct sigaction action = {.sa_handler = plain, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGWINCH);
    sigaddset(&action.sa_mask, SIGRTMIN + 7);
    MUST(sigaction(SIGHUP, &action, NULL));
    action = (struct sigaction){.sa_sigaction = detailed, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    MUST(sigaction(SIGRTMIN + 5, &action, NULL));
    action = (struct sigaction){.sa_handler = plain, .sa_flags = (int)SA_RESETHAND};
    MUST(sigaction(SIGALRM, &action, NULL));
    MUST(signal(SIGPIPE, SIG_IGN) == SIG_ERR ? -1 : 0);
    MUST(signal(SIGCHLD, SIG_IGN) == SIG_ERR ? -1 : 0);
    alternate = malloc(ALTERNATE_SIZE);
    MUST(sigaltstack(&(stack_t){.ss_sp = alternate, .ss_size = ALTERNATE_SIZE}, NULL));
    sigemptyset(&main_mask);
    sigaddset(&main_mask, SIGUSR1);
    sigaddset(&main_mask, SIGUSR2);
    sigaddset(&main_mask, SIGRTMIN + 3);
    sigaddset(&main_mask, SIGRTMIN + 4);
    sigaddset(&main_mask, SIGTTOU);
    MUST_ZERO(pthread_sigmask(SIG_SETMASK, &main_mask, NULL));
    make_pending();
    for (int value = 41; value <= 42; value++) queue_to_other(SIGRTMIN + 4, value);
}

static void check_actions(void) {
    struct sigaction action;
    MUST(sigaction(SIGHUP, NULL, &action));
    EXPECT(action.sa_handler == plain && action.sa_flags & SA_RESTART, "the handler of SIGHUP has changed");
    EXPECT(sigismember(&action.sa_mask, SIGWINCH) && sigismember(&action.sa_mask, SIGRTMIN + 7)
               && !sigismember(&action.sa_mask, SIGINT), "the mask of the handler of SIGHUP has changed");
    MUST(sigaction(SIGRTMIN + 5, NULL, &action));
    EXPECT(action.sa_sigaction == detailed, "the handler of SIGRTMIN+5 has changed");
    EXPECT_EQ(action.sa_flags & (SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART),
              SA_SIGINFO | SA_ONSTACK | SA_NODEFER, "the flags of the handler of SIGRTMIN+5");
    MUST(sigaction(SIGPIPE, NULL, &action));
    EXPECT(action.sa_handler == SIG_IGN, "SIGPIPE is not ignored");
    MUST(sigaction(SIGXCPU, NULL, &action));
    EXPECT(action.sa_handler == SIG_DFL, "SIGXCPU has no default action");
    MUST(sigaction(SIGALRM, NULL, &action));
    EXPECT(action.sa_handler == plain && (unsigned)action.sa_flags & SA_RESETHAND,
           "the handler of SIGALRM has changed");
}

static void check(void) {
    check_actions();
    sigset_t mask;
    MUST_ZERO(pthread_sigmask(SIG_BLOCK, NULL, &mask));
    for (int signal = 1; signal <= SIGRTMAX; signal++)
        EXPECT_EQ(sigismember(&mask, signal), sigismember(&main_mask, signal), "a signal in the main thread's mask");
    take(SIGUSR1, SI_USER, 0, "the pending SIGUSR1");
    for (int value = 31; value <= 33; value++) take(SIGRTMIN + 3, SI_QUEUE, value, "a pending SIGRTMIN+3");
    take(SIGUSR2, SI_USER, 0, "the thread's pending SIGUSR2"); // the C library says SI_USER for SI_TKILL
    MUST(sigpending(&mask));
    for (int signal = 1; signal <= SIGRTMAX; signal++)
        EXPECT(sigismember(&mask, signal) != 1, "signal %d is pending as well", signal);
    make_pending();
    other_asked = 1;
    EVENTUALLY(!other_asked, "the other thread does not run");
    EXPECT(!other_mistake, "the other thread found something wrong in line %d", other_mistake);
    for (int value = 41; value <= 42; value++) queue_to_other(SIGRTMIN + 4, value);
    // Handlers run, where and as they should.
    caught = caught_value = caught_on_alternate = 0;
    siginfo_t info = {.si_signo = SIGRTMIN + 5, .si_code = SI_QUEUE};
    info.si_value.sival_int = 1234;
    MUST(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGRTMIN + 5, &info));
    EXPECT(caught == SIGRTMIN + 5 && caught_value == 1234, "the handler of SIGRTMIN+5 was not called");
    EXPECT(caught_on_alternate, "the handler did not run on the alternate stack");
    MUST(syscall(SYS_tgkill, getpid(), gettid(), SIGHUP));
    EXPECT_EQ(caught, SIGHUP, "the signal caught last");
}

static bool spoil(int way) {
    switch (way) {
    case 0: take(SIGUSR2, SI_USER, 0, "taken"); return true;
    case 1: signal(SIGHUP, SIG_DFL); return true;
    case 2: sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL); return true;
    case 3: queue(SIGRTMIN + 3, 34); return true;
    case 4: sigaddset(&main_mask, SIGSYS); return true;
    case 5: queue_to_other(SIGRTMIN + 4, 43); return true;
    case 6: signal(SIGRTMIN + 5, plain); return true;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"signals", set_up, check, spoil, NULL});
}
