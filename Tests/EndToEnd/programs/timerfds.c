// Timer descriptors: armed, ticking, with expirations that nobody has read, at an absolute time, not armed.

#include "probe.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static int slow, ticking, unread, absolute, disarmed;
static double slow_left, before;
static time_t when;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static int create(int clock, int flags) {
    return MUST(timerfd_create(clock, flags));
}

static void let_expire(void) {
    // Expires once and is then not armed any more; the count of one stays to be read.
    MUST(timerfd_settime(unread, 0, &(struct itimerspec){.it_value = {.tv_nsec = 1}}, NULL));
    struct pollfd readable = {.fd = unread, .events = POLLIN};
    EXPECT_EQ(poll(&readable, 1, 2000), 1, "the timer does not expire");
}

static void set_up(void) {
    slow = create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    ticking = create(CLOCK_BOOTTIME, TFD_CLOEXEC);
    unread = create(CLOCK_REALTIME, TFD_NONBLOCK);
    absolute = create(CLOCK_REALTIME, 0);
    disarmed = create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    MUST(timerfd_settime(slow, 0, &(struct itimerspec){.it_value = {5000}, .it_interval = {33, 4}}, NULL));
    MUST(timerfd_settime(ticking, 0, &(struct itimerspec){{.tv_nsec = 3000000}, {.tv_nsec = 3000000}}, NULL));
    when = time(NULL) + 100000;
    MUST(timerfd_settime(absolute, TFD_TIMER_ABSTIME, &(struct itimerspec){.it_value = {when}}, NULL));
    let_expire();
    slow_left = 5000;
    before = now();
}

static void check(void) {
    struct itimerspec timer;
    uint64_t count = 0;
    MUST(timerfd_gettime(slow, &timer));
    double left = timer.it_value.tv_sec + timer.it_value.tv_nsec / 1e9, elapsed = now() - before;
    EXPECT(left <= slow_left + 0.02 && left >= slow_left - elapsed - 1, "%f s are left; %f s were left %f s ago", left,
           slow_left, elapsed);
    EXPECT_EQ(timer.it_interval.tv_sec * 1000000000 + timer.it_interval.tv_nsec, 33000000004,
              "the slow timer's interval");
    MUST_FAIL(read(slow, &count, sizeof count), EAGAIN);
    EXPECT_EQ(read(ticking, &count, sizeof count), sizeof count, "the ticking timer");
    EXPECT(count > 0, "the ticking timer has not ticked");
    EXPECT_EQ(read(ticking, &count, sizeof count), sizeof count, "the ticking timer, after a wait");
    EXPECT(count > 0 && count < 1000, "%llu ticks in a moment", (unsigned long long)count);
    MUST(timerfd_gettime(ticking, &timer));
    EXPECT_EQ(timer.it_interval.tv_nsec, 3000000, "the ticking timer's interval");
    EXPECT_EQ(read(unread, &count, sizeof count), sizeof count, "the timer whose expiration was not read");
    EXPECT_EQ(count, 1, "its expirations");
    MUST_FAIL(read(unread, &count, sizeof count), EAGAIN);
    let_expire();
    MUST(timerfd_gettime(absolute, &timer));
    long until = when - time(NULL);
    EXPECT(timer.it_value.tv_sec >= until - 2 && timer.it_value.tv_sec <= until + 2,
           "the timer at a fixed time expires in %ld s, expected %ld s", timer.it_value.tv_sec, until);
    MUST(timerfd_gettime(disarmed, &timer));
    EXPECT_EQ(timer.it_value.tv_sec + timer.it_value.tv_nsec, 0, "the timer that is not armed");
    MUST_FAIL(read(disarmed, &count, sizeof count), EAGAIN);
}

static bool spoil(int way) {
    uint64_t count;
    switch (way) {
    case 0: return read(unread, &count, sizeof count) > 0;
    case 1: timerfd_settime(slow, 0, &(struct itimerspec){.it_value = {5000}}, NULL); return true;
    case 2: timerfd_settime(absolute, 0, &(struct itimerspec){.it_value = {50000}}, NULL); return true;
    case 3: timerfd_settime(disarmed, 0, &(struct itimerspec){.it_value = {50000}}, NULL); return true;
    case 4: fcntl(slow, F_SETFL, 0); return true;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"timerfds", set_up, check, spoil, NULL});
}
