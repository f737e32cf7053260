// epoll, eventfd and signalfd: glibc's headers for them are not part of Swift's Glibc module.
#pragma once

#include <signal.h>
#include <stdint.h>

enum {
    CK_EPOLLIN = 0x1,
    CK_EPOLLOUT = 0x4,
    CK_EPOLLERR = 0x8,
    CK_EPOLLHUP = 0x10,
    CK_EPOLLRDHUP = 0x2000,
};

// One readiness event: `token` is what the descriptor was registered with.
struct ck_epoll_event {
    uint32_t events;
    uint64_t token;
};

int ck_epoll_create(void);
int ck_epoll_add(int epoll, int fd, uint32_t events, uint64_t token);
int ck_epoll_remove(int epoll, int fd);
// At most 64 events a call; a negative timeout waits forever.
int ck_epoll_wait(int epoll, struct ck_epoll_event *events, int capacity, int timeout_ms);

int ck_pipe(int ends[2]); // close-on-exec
int ck_available_bytes(int fd); // FIONREAD, or -1
int ck_eventfd(void);
int ck_eventfd_wake(int fd);
int ck_eventfd_clear(int fd);
// A descriptor whose next ck_clockfd_read fails with ECANCELED when the wall clock was set since the last one, else with EAGAIN.
int ck_clockfd(void);
int ck_clockfd_read(int fd);
// A descriptor that becomes readable when one of SIGTERM, SIGINT, SIGHUP or SIGCHLD is pending; blocks them first.
int ck_block_signals_and_open_signalfd(void);
// The number of the next pending signal, or -1 (EAGAIN when there is none).
int ck_signalfd_read(int fd);
