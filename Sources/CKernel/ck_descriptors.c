#define _GNU_SOURCE
#include "ck_descriptors.h"
#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

// sys/ioctl.h declares a struct termios of its own, which clashes with the kernel's.
int ioctl(int fd, unsigned long request, ...);

_Static_assert(sizeof(struct termios2) == CK_TERMINAL_SETTINGS_SIZE, "the size of a terminal's settings");

// Of linux/timerfd.h, which clashes with sys/timerfd.h.
#define SET_TICKS _IOW('T', 0, uint64_t)

struct window_size {
    uint16_t rows, columns, width, height;
};

int ck_eventfd_with(unsigned count, int flags) { return eventfd(count, flags | EFD_CLOEXEC); }

int ck_timerfd_create(int clock, int flags) { return timerfd_create(clock, flags | TFD_CLOEXEC); }

int ck_timerfd_settime(int fd, int flags, const void *setting) { return timerfd_settime(fd, flags, setting, NULL); }

int ck_timerfd_set_ticks(int fd, uint64_t ticks) { return ioctl(fd, SET_TICKS, &ticks); }

int ck_signalfd_create(uint64_t mask, int flags) {
    sigset_t set;
    sigemptyset(&set);
    for (int signal = 1; signal <= 64; signal++)
        if (mask >> (signal - 1) & 1) sigaddset(&set, signal);
    return signalfd(-1, &set, flags | SFD_CLOEXEC);
}


int ck_inotify_create(int flags) { return inotify_init1(flags | IN_CLOEXEC); }

int ck_inotify_add(int fd, const char *path, uint32_t mask) { return inotify_add_watch(fd, path, mask); }

int ck_pipe_capacity(int fd) { return fcntl(fd, F_GETPIPE_SZ); }

int ck_set_pipe_capacity(int fd, int bytes) { return fcntl(fd, F_SETPIPE_SZ, bytes); }

ssize_t ck_tee(int from, int to, size_t size) { return tee(from, to, size, SPLICE_F_NONBLOCK); }

int ck_status_flags(int fd) { return fcntl(fd, F_GETFL); }

int ck_set_status_flags(int fd, int flags) { return fcntl(fd, F_SETFL, flags); }

int ck_get_signal_owner(int fd, int *kind, int *number, int *signal) {
    struct f_owner_ex owner;
    if (fcntl(fd, F_GETOWN_EX, &owner) != 0) return -1;
    int chosen = fcntl(fd, F_GETSIG);
    if (chosen < 0) return -1;
    *kind = owner.type;
    *number = owner.pid;
    *signal = chosen;
    return 0;
}

int ck_lock_record(int fd, int is_write, int64_t start, int64_t length) {
    struct flock lock = {
        .l_type = is_write ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    return fcntl(fd, F_OFD_SETLK, &lock);
}

int ck_get_seals(int fd) { return fcntl(fd, F_GET_SEALS); }

int ck_add_seals(int fd, int seals) { return fcntl(fd, F_ADD_SEALS, seals); }

int ck_terminal_get_settings(int fd, void *settings) { return ioctl(fd, TCGETS2, settings); }

int ck_terminal_set_settings(int fd, const void *settings) { return ioctl(fd, TCSETS2, settings); }

int ck_terminal_get_window(int fd, uint16_t *rows, uint16_t *columns, uint16_t *width, uint16_t *height) {
    struct window_size size;
    if (ioctl(fd, TIOCGWINSZ, &size) != 0) return -1;
    *rows = size.rows, *columns = size.columns, *width = size.width, *height = size.height;
    return 0;
}

int ck_terminal_set_window(int fd, uint16_t rows, uint16_t columns, uint16_t width, uint16_t height) {
    struct window_size size = {rows, columns, width, height};
    return ioctl(fd, TIOCSWINSZ, &size);
}

int ck_terminal_foreground_group(int fd) {
    int group;
    return ioctl(fd, TIOCGPGRP, &group) == 0 ? group : -1;
}

int ck_terminal_session(int fd) {
    int session;
    return ioctl(fd, TIOCGSID, &session) == 0 ? session : -1;
}
