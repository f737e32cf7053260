// TCP within the sandbox: listeners, a bound socket, connections of both families with data under way in both
// directions, half closed ones, one that waits to be accepted, options; new connections are possible.

#include "probe.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static int listener, listener6, bound_only, client, server, client6, server6, half, half_server, waiting, talker,
    talker_server;
static uint16_t port, port6, bound_port;

union address {
    struct sockaddr any;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
};

static union address loopback(int family, uint16_t port) {
    union address address = {0};
    address.any.sa_family = family;
    if (family == AF_INET) address.four.sin_addr.s_addr = htonl(INADDR_LOOPBACK), address.four.sin_port = htons(port);
    else address.six.sin6_addr = in6addr_loopback, address.six.sin6_port = htons(port);
    return address;
}

static uint16_t port_of(int socket, bool is_peer) {
    union address address;
    socklen_t length = sizeof address;
    MUST((is_peer ? getpeername : getsockname)(socket, &address.any, &length));
    return ntohs(address.any.sa_family == AF_INET ? address.four.sin_port : address.six.sin6_port);
}

static int bound(int family, int port) {
    union address address = loopback(family, port);
    int made = MUST(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)), yes = 1;
    MUST(setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes));
    MUST(bind(made, &address.any, sizeof address));
    return made;
}

static int joined(int family, uint16_t port) {
    union address address = loopback(family, port);
    int made = MUST(socket(family, SOCK_STREAM, 0));
    MUST(connect(made, &address.any, sizeof address));
    return made;
}

static int accepted(int listener) {
    struct pollfd readable = {.fd = listener, .events = POLLIN};
    EXPECT_EQ(poll(&readable, 1, 2000), 1, "no connection waits");
    return MUST(accept(listener, NULL, NULL));
}

static void put(int socket, const char *text) {
    EXPECT_EQ(send(socket, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL), strlen(text), text);
}

static void take(int socket, const char *text, const char *what) {
    char found[200] = "";
    size_t length = 0;
    while (length < strlen(text)) {
        struct pollfd readable = {.fd = socket, .events = POLLIN};
        EXPECT_EQ(poll(&readable, 1, 2000), 1, what);
        ssize_t more = MUST(recv(socket, found + length, strlen(text) - length, 0));
        EXPECT(more > 0, "%s: the connection ended after \"%s\"", what, found);
        length += more;
    }
    EXPECT_TEXT(found, text, what);
}

static void expect_end(int socket, const char *what) {
    char byte;
    struct pollfd readable = {.fd = socket, .events = POLLIN};
    EXPECT_EQ(poll(&readable, 1, 2000), 1, what);
    EXPECT_EQ(recv(socket, &byte, 1, 0), 0, what);
}

static void answer(void) {
    char bytes[64];
    struct pollfd readable = {.fd = talker_server, .events = POLLIN};
    if (poll(&readable, 1, 0) != 1) return;
    ssize_t length = recv(talker_server, bytes, sizeof bytes, 0);
    for (ssize_t i = 0; i < length; i++) bytes[i]++;
    if (length > 0 && send(talker_server, bytes, length, 0) != length) _exit(1);
}

static void set_up_child(void) {
    close(talker);
}
static void check_child(void) {}

static void fill(void) {
    put(client, "to the server");
    put(server, "to the client");
    put(client6, "to the server of version 6");
}

static void set_up(void) {
    int yes = 1, seconds = 77;
    struct linger linger = {.l_onoff = 1, .l_linger = 5};
    listener = bound(AF_INET, 0);
    listener6 = bound(AF_INET6, 0);
    MUST(listen(listener, 7));
    MUST(listen(listener6, 7));
    port = port_of(listener, false);
    port6 = port_of(listener6, false);
    talker = joined(AF_INET, port);
    talker_server = accepted(listener);
    probe_fork_role("child", set_up_child, check_child, answer);
    close(talker_server);
    bound_only = bound(AF_INET, 0);
    bound_port = port_of(bound_only, false);
    client = joined(AF_INET, port);
    server = accepted(listener);
    client6 = joined(AF_INET6, port6);
    server6 = accepted(listener6);
    half = joined(AF_INET, port);
    half_server = accepted(listener);
    put(half, "last words");
    MUST(shutdown(half, SHUT_WR));
    waiting = joined(AF_INET6, port6);
    MUST(setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes));
    MUST(setsockopt(client, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes));
    MUST(setsockopt(client, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof seconds));
    MUST(setsockopt(server, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
    fill();
}

static int option(int socket, int level, int name) {
    int value = -1;
    socklen_t length = sizeof value;
    MUST(getsockopt(socket, level, name, &value, &length));
    return value;
}

static void check_addresses(void) {
    EXPECT_EQ(port_of(listener, false), port, "the listener's port");
    EXPECT_EQ(port_of(listener6, false), port6, "the other listener's port");
    EXPECT_EQ(port_of(bound_only, false), bound_port, "the bound socket's port");
    EXPECT_EQ(port_of(server, false), port, "the server's port");
    EXPECT_EQ(port_of(server, true), port_of(client, false), "the client's port");
    EXPECT_EQ(port_of(client6, true), port6, "the port that the client of version 6 is connected to");
    EXPECT_EQ(option(listener, SOL_SOCKET, SO_ACCEPTCONN), 1, "whether the listener listens");
    EXPECT_EQ(option(listener, SOL_SOCKET, SO_REUSEADDR), 1, "SO_REUSEADDR");
    EXPECT_EQ(option(client, IPPROTO_TCP, TCP_NODELAY), 1, "TCP_NODELAY");
    EXPECT_EQ(option(server, IPPROTO_TCP, TCP_NODELAY), 0, "TCP_NODELAY of the server");
    EXPECT_EQ(option(client, SOL_SOCKET, SO_KEEPALIVE), 1, "SO_KEEPALIVE");
    EXPECT_EQ(option(client, IPPROTO_TCP, TCP_KEEPIDLE), 77, "TCP_KEEPIDLE");
    struct linger linger;
    socklen_t length = sizeof linger;
    MUST(getsockopt(server, SOL_SOCKET, SO_LINGER, &linger, &length));
    EXPECT(linger.l_onoff == 1 && linger.l_linger == 5, "SO_LINGER is lost");
    EXPECT_EQ(option(client, SOL_SOCKET, SO_ERROR), 0, "SO_ERROR");
}

static void check(void) {
    check_addresses();
    take(server, "to the server", "what lies at the server");
    take(client, "to the client", "what lies at the client");
    take(server6, "to the server of version 6", "what lies at the server of version 6");
    put(server6, "back over version 6");
    take(client6, "back over version 6", "what came back over version 6");
    put(half_server, "the other half");
    take(half, "the other half", "what comes over the half that is open");
    char text[20];
    EXPECT_EQ(recv(half_server, text, sizeof text, MSG_PEEK), 10,
              "what lies before the end of the half that is closed");
    MUST_FAIL(send(half, "x", 1, MSG_NOSIGNAL), EPIPE);
    // The connection that waits is accepted now, and another one waits from now on.
    int late = accepted(listener6);
    put(waiting, "after the wait");
    take(late, "after the wait", "what the waiting client sent");
    put(late, "after the accept");
    take(waiting, "after the accept", "what the waiting client gets");
    close(late);
    expect_end(waiting, "the end of the connection that waited");
    int again = joined(AF_INET6, port6);
    MUST(dup2(again, waiting));
    close(again);
    fill();
    put(talker, "abc");
    take(talker, "bcd", "the answer of the other process");
    MUST(listen(bound_only, 1));
    int fresh = joined(AF_INET, bound_port), end = accepted(bound_only);
    put(fresh, "fresh");
    take(end, "fresh", "what a new client sent");
    close(fresh), close(end), close(bound_only);
    bound_only = bound(AF_INET, bound_port);
}

static bool spoil(int way) {
    char bytes[100];
    int zero = 0;
    switch (way) {
    case 0: return recv(server, bytes, 3, 0) == 3;
    case 1: close(client), client = joined(AF_INET, port); return true;
    case 2: return setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &zero, sizeof zero) == 0;
    case 3: return shutdown(server6, SHUT_WR) == 0;
    case 4: close(accepted(listener6)); return true;
    case 5: close(bound_only), bound_only = bound(AF_INET, 0); return true;
    case 6: return recv(half_server, bytes, 4, 0) == 4;
    case 7: close(listener), listener = bound(AF_INET, 0), listen(listener, 7); return true;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"tcp", set_up, check, spoil, NULL});
}
