// POSIX timers: their numbers, clocks, intervals, what is left of them, whom they signal with which value, overruns.

#include "probe.h"
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { SLOW, FAST, TO_THREAD, SILENT, DISARMED, PENDING, COUNT };

static int timers[COUNT]; // the kernel's own numbers: the C library's hide them
static volatile int fast_ticks, fast_value, thread_ticks, thread_tid;
static double slow_left, silent_left, before;

static void on_fast(int signal, siginfo_t *info, void *context) {
    fast_value = info->si_value.sival_int;
    fast_ticks++;
}

static void on_thread(int signal) {
    if (gettid() == thread_tid) thread_ticks++;
}

static void *other(void *unused) {
    thread_tid = gettid();
    for (;;) probe_pause_ms(2);
    return NULL;
}

static int create(clockid_t clock, int notify, int signal, int value) {
    struct sigevent event = {.sigev_notify = notify, .sigev_signo = signal, .sigev_value.sival_int = value};
    event._sigev_un._tid = thread_tid;
    int number = -1;
    MUST(syscall(SYS_timer_create, clock, &event, &number));
    return number;
}

static void arm(int timer, double first, double interval) {
    struct itimerspec time = {.it_value = {(long)first, (long)((first - (long)first) * 1e9)},
                              .it_interval = {(long)interval, (long)((interval - (long)interval) * 1e9)}};
    MUST(syscall(SYS_timer_settime, timer, 0, &time, NULL));
}

static double seconds(struct timespec time) {
    return time.tv_sec + time.tv_nsec / 1e9;
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return seconds(time);
}

static bool is_pending(void) {
    sigset_t pending;
    sigpending(&pending);
    return sigismember(&pending, SIGRTMIN + 3);
}

static void set_up(void) {
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGRTMIN + 3);
    MUST_ZERO(pthread_sigmask(SIG_BLOCK, &blocked, NULL));
    pthread_t thread;
    MUST_ZERO(pthread_create(&thread, NULL, other, NULL));
    EVENTUALLY(thread_tid, "the other thread does not start");
    struct sigaction action = {.sa_sigaction = on_fast, .sa_flags = SA_SIGINFO | SA_RESTART};
    MUST(sigaction(SIGRTMIN + 1, &action, NULL));
    action = (struct sigaction){.sa_handler = on_thread, .sa_flags = SA_RESTART};
    MUST(sigaction(SIGRTMIN + 2, &action, NULL));
    int gap = create(CLOCK_REALTIME, SIGEV_NONE, 0, 0); // so that the numbers have a gap
    timers[SLOW] = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN + 1, 1);
    timers[FAST] = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN + 1, 22);
    timers[TO_THREAD] = create(CLOCK_BOOTTIME, SIGEV_THREAD_ID, SIGRTMIN + 2, 3);
    int second_gap = create(CLOCK_REALTIME, SIGEV_NONE, 0, 0);
    timers[SILENT] = create(CLOCK_PROCESS_CPUTIME_ID, SIGEV_NONE, 0, 0);
    timers[DISARMED] = create(CLOCK_REALTIME, SIGEV_SIGNAL, SIGRTMIN + 1, 5);
    timers[PENDING] = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN + 3, 66);
    MUST(syscall(SYS_timer_delete, gap));
    MUST(syscall(SYS_timer_delete, second_gap));
    arm(timers[SLOW], 5000, 44);
    arm(timers[FAST], 0.003, 0.003);
    arm(timers[TO_THREAD], 0.003, 0.003);
    arm(timers[SILENT], 6000, 0.5);
    arm(timers[PENDING], 0.001, 0.001); // its signal is blocked: it stays pending and counts overruns
    EVENTUALLY(is_pending(), "the timer's blocked signal does not come");
    slow_left = 5000;
    silent_left = 6000;
    before = now();
}

static void expect_timer(int kind, double left, double elapsed, double interval, const char *what) {
    struct itimerspec time;
    MUST(syscall(SYS_timer_gettime, timers[kind], &time));
    EXPECT(seconds(time.it_interval) > interval - 1e-6 && seconds(time.it_interval) < interval + 1e-6,
           "the interval of %s is %f s, expected %f s", what, seconds(time.it_interval), interval);
    EXPECT(seconds(time.it_value) <= left + 0.02 && seconds(time.it_value) >= left - elapsed - 1,
           "of %s %f s are left; %f s were left %f s ago", what, seconds(time.it_value), left, elapsed);
}

static void check(void) {
    double elapsed = now() - before;
    expect_timer(SLOW, slow_left, elapsed, 44, "the slow timer");
    expect_timer(SILENT, silent_left, elapsed, 0.5, "the timer without a signal");
    expect_timer(DISARMED, 0, 0, 0, "the timer that is not armed");
    int ticks = fast_ticks, at_thread = thread_ticks;
    EVENTUALLY(fast_ticks > ticks + 2, "the fast timer does not tick");
    EXPECT_EQ(fast_value, 22, "the value of the fast timer");
    EVENTUALLY(thread_ticks > at_thread + 2, "the timer of the other thread does not tick there");
    sigset_t blocked;
    siginfo_t info;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGRTMIN + 3);
    EXPECT_EQ(sigtimedwait(&blocked, &info, &(struct timespec){.tv_sec = 2}), SIGRTMIN + 3,
              "the pending timer's signal");
    EXPECT_EQ(info.si_code, SI_TIMER, "the pending signal's code");
    EXPECT_EQ(info.si_value.sival_int, 66, "the pending signal's value");
    EXPECT_EQ(info.si_timerid, timers[PENDING], "the pending signal's timer");
    EVENTUALLY(is_pending(), "the timer's blocked signal does not come again");
    // A new timer takes a number that is free.
    int more = create(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0);
    for (int i = 0; i < COUNT; i++) EXPECT(more != timers[i], "a new timer has the number of an old one: %d", more);
    MUST(syscall(SYS_timer_delete, more));
}

static bool spoil(int way) {
    switch (way) {
    case 0: syscall(SYS_timer_delete, timers[SILENT]); return true;
    case 1: arm(timers[SLOW], 5000, 45); return true;
    case 2: arm(timers[FAST], 0, 0); return true;
    case 3: syscall(SYS_timer_delete, timers[TO_THREAD]); return true;
    case 4: arm(timers[PENDING], 0, 0); // which takes its pending signal away
        return true;
    case 5: arm(timers[DISARMED], 100, 0); return true;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"posix_timers", set_up, check, spoil, NULL});
}
