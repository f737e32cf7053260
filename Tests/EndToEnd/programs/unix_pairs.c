// Pairs of unix sockets: streams, datagrams and packets with what lies in them, half closed, closed at the other end,
// their options, the credentials of the peer, and a pair whose ends two processes hold.

#include "probe.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

static int stream[2], datagram[2], packet[2], half[2], alone, shared[2];
static pid_t child;

static void answer(void) {
    struct pollfd readable = {.fd = shared[1], .events = POLLIN};
    char bytes[16];
    if (poll(&readable, 1, 0) != 1) return;
    ssize_t length = read(shared[1], bytes, sizeof bytes);
    for (ssize_t i = 0; i < length; i++) bytes[i]++;
    if (length > 0 && write(shared[1], bytes, length) != length) _exit(1);
}

static void set_up_child(void) {
    close(shared[0]);
}
static void check_child(void) {}

static void put(int socket, const char *text) {
    EXPECT_EQ(send(socket, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL), strlen(text), text);
}

static void take(int socket, const char *text) {
    char found[100] = "";
    ssize_t length = recv(socket, found, sizeof found - 1, MSG_DONTWAIT);
    EXPECT(length >= 0, "nothing lies in the socket where \"%s\" should: %s", text, strerror(errno));
    EXPECT_TEXT(found, text, "what lies in the socket");
}

static void fill(void) {
    put(stream[0], "there ");
    put(stream[0], "and on");
    put(stream[1], "back");
    put(datagram[0], "one");
    put(datagram[0], "");
    put(datagram[0], "three");
    put(packet[1], "a packet");
    put(packet[1], "another packet");
}

static void set_up(void) {
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, shared));
    child = probe_fork_role("child", set_up_child, check_child, answer);
    close(shared[1]);
    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, stream));
    MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, datagram));
    MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, packet));
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, half));
    int ends[2];
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    put(ends[1], "last words");
    close(ends[1]);
    alone = ends[0];
    MUST(shutdown(half[0], SHUT_WR));
    int size = 40000, yes = 1;
    MUST(setsockopt(stream[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size));
    MUST(setsockopt(datagram[1], SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes));
    struct timeval limit = {.tv_sec = 12, .tv_usec = 340000};
    MUST(setsockopt(packet[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
    fill();
}

static void check_options(void) {
    int size, yes;
    socklen_t length = sizeof size;
    MUST(getsockopt(stream[0], SOL_SOCKET, SO_SNDBUF, &size, &length));
    EXPECT_EQ(size, 80000, "SO_SNDBUF, which the kernel doubles");
    length = sizeof yes;
    MUST(getsockopt(datagram[1], SOL_SOCKET, SO_PASSCRED, &yes, &length));
    EXPECT_EQ(yes, 1, "SO_PASSCRED");
    struct timeval limit;
    length = sizeof limit;
    MUST(getsockopt(packet[0], SOL_SOCKET, SO_RCVTIMEO, &limit, &length));
    EXPECT_EQ(limit.tv_sec, 12, "SO_RCVTIMEO");
    struct ucred peer;
    length = sizeof peer;
    MUST(getsockopt(shared[0], SOL_SOCKET, SO_PEERCRED, &peer, &length));
    EXPECT_EQ(peer.pid, getpid(), "the process that made the pair");
    EXPECT_EQ(peer.uid, getuid(), "the user that made the pair");
}

static void check(void) {
    char byte;
    check_options();
    take(stream[1], "there and on");
    take(stream[0], "back");
    MUST_FAIL(recv(stream[0], &byte, 1, 0), EAGAIN);
    take(datagram[1], "one");
    take(datagram[1], "");
    take(datagram[1], "three");
    take(packet[0], "a packet");
    take(packet[0], "another packet");
    fill();
    EXPECT_EQ(recv(half[1], &byte, 1, MSG_DONTWAIT), 0, "the end of the half that is closed");
    MUST_FAIL(send(half[0], "x", 1, MSG_NOSIGNAL), EPIPE);
    put(half[1], "the other half");
    take(half[0], "the other half");
    char text[20];
    EXPECT_EQ(recv(alone, text, sizeof text, MSG_PEEK), 10, "what a closed socket has sent");
    MUST_FAIL(send(alone, "x", 1, MSG_NOSIGNAL), EPIPE);
    put(shared[0], "abc");
    struct pollfd readable = {.fd = shared[0], .events = POLLIN};
    EXPECT_EQ(poll(&readable, 1, 2000), 1, "the child does not answer");
    take(shared[0], "bcd");
}

static bool spoil(int way) {
    char bytes[20];
    int zero = 0;
    switch (way) {
    case 0: return recv(stream[1], bytes, 3, 0) == 3;
    case 1: return recv(datagram[1], bytes, 3, 0) == 3;
    case 2: return recv(alone, bytes, 3, 0) == 3;
    case 3: return setsockopt(datagram[1], SOL_SOCKET, SO_PASSCRED, &zero, sizeof zero) == 0;
    case 4: socketpair(AF_UNIX, SOCK_STREAM, 0, half); return true;
    case 5: return kill(child, SIGKILL) == 0;
    case 6: // one packet out of two
        recv(packet[0], bytes, 20, 0), recv(packet[0], bytes, 20, 0), put(packet[1], "a packetanother packet");
        return true;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"unix_pairs", set_up, check, spoil, NULL});
}
