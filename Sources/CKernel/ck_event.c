#define _GNU_SOURCE
#include "ck_event.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

int ck_epoll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }

static int control(int epoll, int operation, int fd, uint32_t events, uint64_t token) {
    struct epoll_event event = {.events = events, .data.u64 = token};
    return epoll_ctl(epoll, operation, fd, &event);
}

int ck_epoll_add(int epoll, int fd, uint32_t events, uint64_t token) {
    return control(epoll, EPOLL_CTL_ADD, fd, events, token);
}

int ck_epoll_remove(int epoll, int fd) { return control(epoll, EPOLL_CTL_DEL, fd, 0, 0); }

int ck_epoll_wait(int epoll, struct ck_epoll_event *events, int capacity, int timeout_ms) {
    struct epoll_event ready[64];
    int count = epoll_wait(epoll, ready, capacity < 64 ? capacity : 64, timeout_ms);
    for (int i = 0; i < count; i++) {
        events[i].events = ready[i].events;
        events[i].token = ready[i].data.u64;
    }
    return count;
}

int ck_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC); }

int ck_available_bytes(int fd) {
    int count;
    return ioctl(fd, FIONREAD, &count) == 0 ? count : -1;
}

int ck_eventfd_wake(int fd) { return eventfd_write(fd, 1); }

int ck_eventfd_clear(int fd) {
    eventfd_t value;
    return eventfd_read(fd, &value);
}

int ck_eventfd(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

int ck_block_signals_and_open_signalfd(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0) return -1;
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int ck_signalfd_read(int fd) {
    struct signalfd_siginfo info;
    ssize_t size = read(fd, &info, sizeof info);
    if (size < 0) return -1;
    if (size != sizeof info) {
        errno = EIO;
        return -1;
    }
    return (int)info.ssi_signo;
}

int ck_clockfd(void) {
    int fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    // In the year 2242: only that it is cancelled matters.
    struct itimerspec setting = {.it_value.tv_sec = 1LL << 33};
    if (fd >= 0 && timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &setting, NULL) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int ck_clockfd_read(int fd) {
    uint64_t expirations;
    return read(fd, &expirations, sizeof expirations) < 0 ? -1 : 0;
}
