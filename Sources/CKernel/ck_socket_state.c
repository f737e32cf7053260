#define _GNU_SOURCE
#include "ck_socket_state.h"
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <linux/unix_diag.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

// Of linux/un.h, which clashes with sys/un.h.
#define UNIX_FILE (SIOCPROTOPRIVATE + 0)

int ck_socket(int domain, int type, int protocol) { return socket(domain, type | SOCK_CLOEXEC, protocol); }

int ck_bind(int socket, const void *address, unsigned length) { return bind(socket, address, length); }

int ck_connect(int socket, const void *address, unsigned length) { return connect(socket, address, length); }

int ck_accept(int socket) { return accept4(socket, NULL, NULL, SOCK_CLOEXEC); }

int ck_socket_name(int socket, int of_peer, void *address, unsigned *length) {
    return of_peer ? getpeername(socket, address, length) : getsockname(socket, address, length);
}

int ck_get_option(int socket, int level, int name, void *value, unsigned *length) {
    return getsockopt(socket, level, name, value, length);
}

int ck_set_option(int socket, int level, int name, const void *value, unsigned length) {
    return setsockopt(socket, level, name, value, length);
}

int ck_unix_file(int socket) { return ioctl(socket, UNIX_FILE); }

static int count(int socket, unsigned long request) {
    int bytes = 0;
    return ioctl(socket, request, &bytes) == 0 ? bytes : -1;
}

int ck_bytes_unread(int socket) { return count(socket, SIOCINQ); }

int ck_bytes_under_way(int socket) { return count(socket, SIOCOUTQ); }

int ck_poll_now(int socket) {
    struct pollfd entry = {.fd = socket, .events = POLLIN | POLLRDHUP};
    return poll(&entry, 1, 0) < 0 ? -1 : entry.revents;
}

int ck_wait_writable(int socket, int milliseconds) {
    struct pollfd entry = {.fd = socket, .events = POLLOUT};
    return poll(&entry, 1, milliseconds);
}

int ck_wait_readable(int socket, int milliseconds) {
    struct pollfd entry = {.fd = socket, .events = POLLIN};
    return poll(&entry, 1, milliseconds);
}

ssize_t ck_send_to(int socket, const void *bytes, size_t size, const void *address, unsigned length) {
    return sendto(socket, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL, length ? address : NULL, length);
}

ssize_t ck_peek_message(int socket, void *bytes, size_t size, struct ck_message *message) {
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(CK_MAX_RIGHTS * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred)) + 1024];
    } control;
    struct iovec vector = {.iov_base = bytes, .iov_len = size};
    struct msghdr header = {
        .msg_name = message->address,
        .msg_namelen = sizeof message->address,
        .msg_iov = &vector,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control,
    };
    ssize_t received = recvmsg(socket, &header, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    message->descriptor_count = message->has_credentials = 0;
    if (received < 0) return -1;
    message->address_length = header.msg_namelen;
    message->flags = header.msg_flags & (MSG_TRUNC | MSG_CTRUNC);
    for (struct cmsghdr *part = CMSG_FIRSTHDR(&header); part; part = CMSG_NXTHDR(&header, part)) {
        if (part->cmsg_level != SOL_SOCKET) continue;
        if (part->cmsg_type == SCM_RIGHTS) {
            message->descriptor_count = (int)((part->cmsg_len - CMSG_LEN(0)) / sizeof(int));
            memcpy(message->descriptors, CMSG_DATA(part), message->descriptor_count * sizeof(int));
        } else if (part->cmsg_type == SCM_CREDENTIALS) {
            struct ucred sender;
            memcpy(&sender, CMSG_DATA(part), sizeof sender);
            message->has_credentials = 1;
            message->pid = sender.pid, message->uid = sender.uid, message->gid = sender.gid;
        }
    }
    return received;
}

int ck_open_socket_list(void) { return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG); }

// Fills one entry from a message of the list.
static int read_entry(const struct nlmsghdr *header, struct ck_unix_socket *entry, uint32_t *clients, int room) {
    const struct unix_diag_msg *message = NLMSG_DATA(header);
    *entry = (struct ck_unix_socket){.inode = message->udiag_ino, .state = message->udiag_state};
    struct rtattr *attribute = (struct rtattr *)(message + 1);
    int rest = (int)(header->nlmsg_len - NLMSG_LENGTH(sizeof *message)), waiting = 0;
    for (; RTA_OK(attribute, rest); attribute = RTA_NEXT(attribute, rest)) {
        const void *data = RTA_DATA(attribute);
        switch (attribute->rta_type) {
        case UNIX_DIAG_PEER: memcpy(&entry->peer, data, sizeof entry->peer); break;
        case UNIX_DIAG_SHUTDOWN: memcpy(&entry->shutdown, data, sizeof entry->shutdown); break;
        case UNIX_DIAG_RQLEN: {
            struct unix_diag_rqlen lengths;
            memcpy(&lengths, data, sizeof lengths);
            entry->queued = lengths.udiag_rqueue, entry->limit = lengths.udiag_wqueue;
            break;
        }
        case UNIX_DIAG_ICONS:
            waiting = (int)(RTA_PAYLOAD(attribute) / sizeof(uint32_t));
            if (waiting > room) return -1;
            memcpy(clients, data, waiting * sizeof(uint32_t));
            entry->waiting = (uint32_t)waiting;
            break;
        default: break;
        }
    }
    return waiting;
}

int ck_list_unix_sockets(int list, struct ck_unix_socket *sockets, int room, uint32_t *clients, int client_room) {
    struct {
        struct nlmsghdr header;
        struct unix_diag_req request;
    } request = {
        .header = {.nlmsg_len = sizeof request, .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .request = {.sdiag_family = AF_UNIX, .udiag_states = ~0u,
                    .udiag_show = UDIAG_SHOW_PEER | UDIAG_SHOW_ICONS | UDIAG_SHOW_RQLEN},
    };
    if (send(list, &request, sizeof request, 0) < 0) return -1;
    int found = 0, waiting = 0, is_full = 0;
    for (;;) {
        _Alignas(struct nlmsghdr) char buffer[32768];
        ssize_t size = recv(list, buffer, sizeof buffer, 0);
        if (size < 0) return -1;
        struct nlmsghdr *header = (struct nlmsghdr *)buffer;
        for (; NLMSG_OK(header, size); header = NLMSG_NEXT(header, size)) {
            if (header->nlmsg_type == NLMSG_DONE) {
                if (!is_full) return found;
                errno = ENOSPC;
                return -1;
            }
            if (header->nlmsg_type == NLMSG_ERROR) {
                errno = -((struct nlmsgerr *)NLMSG_DATA(header))->error;
                return -1;
            }
            // The rest of a list that does not fit is read nevertheless: the next one begins after it.
            if (found == room) is_full = 1;
            if (is_full) continue;
            int more = read_entry(header, &sockets[found], clients + waiting, client_room - waiting);
            if (more < 0) {
                is_full = 1;
                continue;
            }
            sockets[found].first_waiting = (uint32_t)waiting;
            waiting += more;
            found++;
        }
    }
}
