// A TCP connection whose buffers are full in both directions: every byte arrives, once and in order.

#include "probe.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static int ends[2];
static uint64_t sent[2], received[2];

static void push(int from) {
    unsigned char block[4096];
    for (;;) {
        for (int i = 0; i < (int)sizeof block; i++) block[i] = (sent[from] + i) * 131 >> 3;
        ssize_t length = send(ends[from], block, sizeof block, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (length <= 0) {
            EXPECT(errno == EAGAIN, "send: %s", strerror(errno));
            return;
        }
        sent[from] += length;
    }
}

static void pull(int from, uint64_t until) {
    unsigned char block[65536];
    while (received[from] < until) {
        uint64_t wanted = until - received[from] < sizeof block ? until - received[from] : sizeof block;
        ssize_t length = -1;
        EVENTUALLY((length = recv(ends[1 - from], block, wanted, MSG_DONTWAIT)) > 0,
                   "after %llu of %llu bytes nothing comes: %s",
                   (unsigned long long)received[from], (unsigned long long)sent[from],
                   length < 0 ? strerror(errno) : "the end");
        for (ssize_t i = 0; i < length; i++)
            EXPECT_EQ(block[i], (unsigned char)((received[from] + i) * 131 >> 3), "a byte of the stream");
        received[from] += length;
    }
}

static void set_up(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = MUST(socket(AF_INET, SOCK_STREAM, 0)), size = 100000;
    MUST(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &size, sizeof size));
    MUST(bind(listener, (struct sockaddr *)&address, sizeof address));
    MUST(listen(listener, 1));
    MUST(getsockname(listener, (struct sockaddr *)&address, &length));
    ends[0] = MUST(socket(AF_INET, SOCK_STREAM, 0));
    MUST(setsockopt(ends[0], SOL_SOCKET, SO_RCVBUF, &size, sizeof size));
    MUST(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size));
    MUST(connect(ends[0], (struct sockaddr *)&address, sizeof address));
    ends[1] = MUST(accept(listener, NULL, NULL));
    MUST(setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof size));
    close(listener); // the connection outlives it
    for (int from = 0; from < 2; from++) push(from);
}

static void check(void) {
    for (int from = 0; from < 2; from++) {
        pull(from, sent[from] - 1000);
        push(from);
        pull(from, sent[from]);
        push(from);
    }
}

static bool spoil(int way) {
    char bytes[100];
    switch (way) {
    case 0: return recv(ends[0], bytes, 100, 0) == 100;
    case 1: return shutdown(ends[1], SHUT_RDWR) == 0;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"tcp_bulk", set_up, check, spoil, NULL});
}
