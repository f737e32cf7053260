// The three interval timers of a process: what is left of them, their intervals, and that they go on ticking.

#include "probe.h"
#include <signal.h>
#include <sys/time.h>
#include <time.h>

static volatile int ticks;
static double left_before[3], real_before;

static void count(int signal) {
    ticks++;
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static double seconds(struct timeval time) {
    return time.tv_sec + time.tv_usec / 1e6;
}

static void set_up_fast(void) {
    // Timers are not inherited (getitimer(2)).
    MUST(setitimer(ITIMER_REAL, &(struct itimerval){{.tv_usec = 2000}, {.tv_usec = 2000}}, NULL));
}

static void check_fast(void) {
    int before = ticks;
    EVENTUALLY(ticks > before + 2, "the fast timer does not tick");
}

static void set_up(void) {
    signal(SIGALRM, count);
    probe_fork_role("fast", set_up_fast, check_fast, NULL);
    MUST(setitimer(ITIMER_REAL, &(struct itimerval){{.tv_sec = 77, .tv_usec = 7}, {.tv_sec = 5000}}, NULL));
    MUST(setitimer(ITIMER_VIRTUAL, &(struct itimerval){{.tv_sec = 88}, {.tv_sec = 6000}}, NULL));
    MUST(setitimer(ITIMER_PROF, &(struct itimerval){{0}, {.tv_sec = 7000}}, NULL));
    left_before[0] = 5000, left_before[1] = 6000, left_before[2] = 7000;
    real_before = now();
}

static void check(void) {
    static const double intervals[3] = {77.000007, 88, 0};
    struct itimerval timer;
    double elapsed = now() - real_before;
    for (int kind = 0; kind < 3; kind++) {
        MUST(getitimer(kind, &timer));
        double left = seconds(timer.it_value), interval = seconds(timer.it_interval);
        EXPECT(interval > intervals[kind] - 1e-6 && interval < intervals[kind] + 1e-6,
               "the interval of timer %d is %f s", kind, interval);
        // Time in which the process did not exist may count or not. The kernel rounds times of processors up to a tick.
        EXPECT(left <= left_before[kind] + 0.02 && left >= left_before[kind] - elapsed - 1,
               "of timer %d %f s are left; %f s were left %f s ago", kind, left, left_before[kind], elapsed);
        left_before[kind] = left;
    }
    EXPECT_EQ(ticks, 0, "ticks of the slow timer");
    real_before = now();
}

static bool spoil(int way) {
    switch (way) {
    case 0: setitimer(ITIMER_REAL, &(struct itimerval){{0}}, NULL); return true;
    case 1: setitimer(ITIMER_VIRTUAL, &(struct itimerval){{.tv_sec = 88}, {.tv_sec = 6010}}, NULL); return true;
    case 2: setitimer(ITIMER_PROF, &(struct itimerval){{.tv_sec = 1}, {.tv_sec = 6999}}, NULL); return true;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"interval_timers", set_up, check, spoil, NULL});
}
