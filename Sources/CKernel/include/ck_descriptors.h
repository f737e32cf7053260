// Descriptors of every kind: what is asked of them and how they are made, where `import Glibc` does not reach.
#pragma once

#include <stdint.h>
#include <sys/types.h>

int ck_eventfd_with(unsigned count, int flags);
int ck_timerfd_create(int clock, int flags);
// `setting` is a struct itimerspec of 32 bytes.
int ck_timerfd_settime(int fd, int flags, const void *setting);
// A timerfd's number of expirations that were not read yet (ioctl_list: TFD_IOC_SET_TICKS).
int ck_timerfd_set_ticks(int fd, uint64_t ticks);
int ck_signalfd_create(uint64_t mask, int flags);
int ck_inotify_create(int flags);
int ck_inotify_add(int fd, const char *path, uint32_t mask);

int ck_pipe_capacity(int fd);
int ck_set_pipe_capacity(int fd, int bytes);
// Copies what a pipe holds to another one without taking it out (tee(2)).
ssize_t ck_tee(int from, int to, size_t size);

int ck_status_flags(int fd);
int ck_set_status_flags(int fd, int flags);
// Who gets a signal when something happens (fcntl(2), F_GETOWN_EX), and which one; 0 for none and for SIGIO.
int ck_get_signal_owner(int fd, int *kind, int *number, int *signal);
int ck_lock_record(int fd, int is_write, int64_t start, int64_t length);
int ck_get_seals(int fd);
int ck_add_seals(int fd, int seals);

// Pseudo-terminals (ioctl_tty(2)). `settings` is a struct termios2, CK_TERMINAL_SETTINGS_SIZE bytes.
enum { CK_TERMINAL_SETTINGS_SIZE = 44 };
int ck_terminal_get_settings(int fd, void *settings);
int ck_terminal_set_settings(int fd, const void *settings);
int ck_terminal_get_window(int fd, uint16_t *rows, uint16_t *columns, uint16_t *width, uint16_t *height);
int ck_terminal_set_window(int fd, uint16_t rows, uint16_t columns, uint16_t width, uint16_t height);
int ck_terminal_foreground_group(int fd);
int ck_terminal_session(int fd);
