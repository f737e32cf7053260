// Many short sleeps in a row: a snapshot that falls into one must not cut it short, fail it, or make it last for ever.

#include "probe.h"
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <time.h>

#define COUNT 4
#define MOMENT_MS 20

static volatile int turns[COUNT], failures[COUNT], early[COUNT], last_errno[COUNT];
static int epoll;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

static int sleep_once(int kind) {
    struct timespec moment = {.tv_nsec = MOMENT_MS * 1000000}, left = {.tv_sec = -5};
    struct epoll_event event;
    switch (kind) {
    case 0: return nanosleep(&moment, &left);
    case 1: return clock_nanosleep(CLOCK_MONOTONIC, 0, &moment, &left);
    case 2: return poll(NULL, 0, MOMENT_MS);
    default: return epoll_wait(epoll, &event, 1, MOMENT_MS);
    }
}

static void *sleeper(void *argument) {
    int kind = (int)(intptr_t)argument;
    for (;;) {
        double begun = now();
        errno = 0;
        if (sleep_once(kind) != 0) {
            last_errno[kind] = errno;
            failures[kind]++;
        }
        // poll and epoll count in whole milliseconds of a clock that ticks more coarsely.
        if (now() - begun < MOMENT_MS - 1.5) early[kind]++;
        turns[kind]++;
    }
    return NULL;
}

static void set_up(void) {
    epoll = MUST(epoll_create1(EPOLL_CLOEXEC));
    for (int i = 0; i < COUNT; i++) {
        pthread_t thread;
        MUST_ZERO(pthread_create(&thread, NULL, sleeper, (void *)(intptr_t)i));
    }
}

static void check(void) {
    static const char *const names[COUNT] = {"nanosleep", "clock_nanosleep", "poll", "epoll_wait"};
    int before[COUNT];
    for (int i = 0; i < COUNT; i++) before[i] = turns[i];
    for (int i = 0; i < COUNT; i++) {
        EVENTUALLY(turns[i] > before[i] + 1, "the thread in %s does not go on", names[i]);
        EXPECT(!failures[i], "%s failed: %s", names[i], strerror(last_errno[i]));
        EXPECT(!early[i], "%s returned early", names[i]);
    }
}

static bool spoil(int way) {
    switch (way) {
    case 0: failures[1]++; return true;
    case 1: early[2]++; return true;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"short_sleeps", set_up, check, spoil, NULL});
}
