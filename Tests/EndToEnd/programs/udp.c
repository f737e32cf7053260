// UDP: bound and connected sockets of both families, their options, and datagrams that wait with their senders'
// addresses.

#include "probe.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static int receiver, sender, connected, receiver6, sender6;
static struct sockaddr_in receiver_address, sender_address, connected_address;
static struct sockaddr_in6 receiver6_address;

static int bound(struct sockaddr_in *address) {
    int made = MUST(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0));
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof *address;
    MUST(bind(made, (struct sockaddr *)address, length));
    MUST(getsockname(made, (struct sockaddr *)address, &length));
    return made;
}

static void fill(void) {
    EXPECT_EQ(sendto(sender, "first", 5, 0, (struct sockaddr *)&receiver_address, sizeof receiver_address), 5,
              "sendto");
    EXPECT_EQ(send(connected, "second", 6, 0), 6, "send");
    EXPECT_EQ(sendto(sender, "", 0, 0, (struct sockaddr *)&receiver_address, sizeof receiver_address), 0, "sendto");
    EXPECT_EQ(sendto(sender6, "sixth", 5, 0, (struct sockaddr *)&receiver6_address, sizeof receiver6_address), 5,
              "sendto");
}

static void set_up(void) {
    int yes = 1, size = 50000;
    receiver = bound(&receiver_address);
    sender = bound(&sender_address);
    connected = bound(&connected_address);
    MUST(connect(connected, (struct sockaddr *)&receiver_address, sizeof receiver_address));
    receiver6 = MUST(socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0));
    receiver6_address = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    socklen_t length = sizeof receiver6_address;
    MUST(setsockopt(receiver6, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes));
    MUST(bind(receiver6, (struct sockaddr *)&receiver6_address, length));
    MUST(getsockname(receiver6, (struct sockaddr *)&receiver6_address, &length));
    sender6 = MUST(socket(AF_INET6, SOCK_DGRAM, 0)); // bound by its first datagram
    MUST(setsockopt(receiver, SOL_SOCKET, SO_BROADCAST, &yes, sizeof yes));
    MUST(setsockopt(receiver, SOL_SOCKET, SO_RCVBUF, &size, sizeof size));
    fill();
}

static void take(const char *text, const struct sockaddr_in *from) {
    char found[100] = "";
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    EXPECT(recvfrom(receiver, found, sizeof found - 1, 0, (struct sockaddr *)&address, &length) >= 0,
           "no datagram is there where \"%s\" should be", text);
    EXPECT_TEXT(found, text, "a datagram");
    EXPECT_EQ(ntohs(address.sin_port), ntohs(from->sin_port), "the sender's port");
}

static int option(int socket, int level, int name) {
    int value = -1;
    socklen_t length = sizeof value;
    MUST(getsockopt(socket, level, name, &value, &length));
    return value;
}

static void check(void) {
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    MUST(getsockname(receiver, (struct sockaddr *)&address, &length));
    EXPECT_EQ(ntohs(address.sin_port), ntohs(receiver_address.sin_port), "the receiver's port");
    MUST(getpeername(connected, (struct sockaddr *)&address, &length));
    EXPECT_EQ(ntohs(address.sin_port), ntohs(receiver_address.sin_port), "the port that the socket is connected to");
    EXPECT_EQ(option(receiver, SOL_SOCKET, SO_BROADCAST), 1, "SO_BROADCAST");
    EXPECT_EQ(option(receiver, SOL_SOCKET, SO_RCVBUF), 100000, "SO_RCVBUF, which the kernel doubles");
    EXPECT_EQ(option(receiver6, IPPROTO_IPV6, IPV6_V6ONLY), 1, "IPV6_V6ONLY");
    take("first", &sender_address);
    take("second", &connected_address);
    take("", &sender_address);
    char byte, found[100] = "";
    MUST_FAIL(recv(receiver, &byte, 1, 0), EAGAIN);
    EXPECT_EQ(recv(receiver6, found, sizeof found, 0), 5, "the datagram of version 6");
    EXPECT_TEXT(found, "sixth", "the datagram of version 6");
    // A connected socket hears its peer only.
    EXPECT_EQ(sendto(sender, "x", 1, 0, (struct sockaddr *)&connected_address, sizeof connected_address), 1, "sendto");
    MUST_FAIL(recv(connected, &byte, 1, 0), EAGAIN);
    EXPECT_EQ(sendto(receiver, "y", 1, 0, (struct sockaddr *)&connected_address, sizeof connected_address), 1,
              "sendto");
    EXPECT_EQ(recv(connected, &byte, 1, 0), 1, "recv");
    EXPECT_EQ(byte, 'y', "what the peer sent");
    fill();
}

static bool spoil(int way) {
    char bytes[100];
    switch (way) {
    case 0: return recv(receiver, bytes, 100, 0) >= 0;
    case 1: close(receiver), receiver = bound(&(struct sockaddr_in){0}); return true;
    case 2: return connect(connected, &(struct sockaddr){.sa_family = AF_UNSPEC}, sizeof(struct sockaddr)) == 0;
    case 3: return recv(receiver6, bytes, 100, 0) >= 0;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"udp", set_up, check, spoil, NULL});
}
