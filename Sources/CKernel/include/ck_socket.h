// Messages that carry descriptors (SCM_RIGHTS): the CMSG macros are out of Swift's reach.
#pragma once

#include <stddef.h>
#include <sys/types.h>

// The most descriptors one message may carry here; the kernel's own limit is 253 (SCM_MAX_FD).
enum { CK_MAX_PASSED_DESCRIPTORS = 64 };

// A connected pair of close-on-exec unix stream sockets.
int ck_socketpair(int pair[2]);
// Sends bytes, the descriptors with the first of them. Never raises SIGPIPE.
ssize_t ck_send_with_descriptors(int socket, const void *bytes, size_t size, const int *descriptors, int count);
// Receives bytes and at most CK_MAX_PASSED_DESCRIPTORS descriptors (close-on-exec), whose number goes to `count`.
// With `nonblocking`, -1 and EAGAIN when nothing is there.
ssize_t ck_receive_with_descriptors(int socket, void *bytes, size_t size, int *descriptors, int *count, int nonblocking);
