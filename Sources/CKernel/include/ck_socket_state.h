// What sockets are and hold: addresses, options, queues, and the kernel's list of unix sockets (sock_diag(7)).
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    // struct sockaddr_storage.
    CK_ADDRESS_SIZE = 128,
    // Descriptors of one message (SCM_MAX_FD).
    CK_MAX_RIGHTS = 253,
};

// Close-on-exec.
int ck_socket(int domain, int type, int protocol);
int ck_bind(int socket, const void *address, unsigned length);
int ck_connect(int socket, const void *address, unsigned length);
// Close-on-exec; never waits.
int ck_accept(int socket);
// `length` is the room for the address, then its length.
int ck_socket_name(int socket, int of_peer, void *address, unsigned *length);
int ck_get_option(int socket, int level, int name, void *value, unsigned *length);
int ck_set_option(int socket, int level, int name, const void *value, unsigned length);

// A descriptor of the file that a unix socket is bound to, path only (SIOCUNIXFILE).
int ck_unix_file(int socket);
// Bytes to be read (SIOCINQ), and bytes that were written and have not arrived for good (SIOCOUTQ).
int ck_bytes_unread(int socket);
int ck_bytes_under_way(int socket);
// What poll(2) says without waiting of POLLIN, POLLRDHUP, POLLERR, POLLHUP; -1 on failure.
int ck_poll_now(int socket);
// Waits until a socket can be written to or read from; 0 when it took too long.
int ck_wait_writable(int socket, int milliseconds);
int ck_wait_readable(int socket, int milliseconds);
// Never waits, never raises SIGPIPE.
ssize_t ck_send_to(int socket, const void *bytes, size_t size, const void *address, unsigned length);

struct ck_message {
    unsigned char address[CK_ADDRESS_SIZE];
    unsigned address_length;
    int descriptors[CK_MAX_RIGHTS];
    int descriptor_count;
    int has_credentials;
    int pid;
    unsigned uid, gid;
    // MSG_TRUNC, MSG_CTRUNC.
    int flags;
};

// Reads a message and leaves it in the queue; copies of its descriptors are opened, close-on-exec. Never waits.
ssize_t ck_peek_message(int socket, void *bytes, size_t size, struct ck_message *message);

struct ck_unix_socket {
    uint32_t inode, peer;
    uint8_t state, shutdown;
    // Of a listener: how many connections wait, and how many may; `first_waiting` is an index among all that wait.
    uint32_t queued, limit;
    uint32_t first_waiting, waiting;
};

// A socket for `ck_list_unix_sockets`, of the calling thread's network namespace.
int ck_open_socket_list(void);
// Lists all unix sockets; how many, or -1 (ENOSPC when either array is too small). `clients` gets the inodes of clients that wait
// to be accepted, listener after listener.
int ck_list_unix_sockets(int list, struct ck_unix_socket *sockets, int room, uint32_t *clients, int client_room);
