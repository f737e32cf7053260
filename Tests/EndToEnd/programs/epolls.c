// epoll: its registrations with their data and their kinds, nested ones, one shared with a child, one whose descriptor
// has been closed while a copy lives on.

#include "probe.h"
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PIPE, EVENT, SOCKET, ONCE, EDGE, COUNT };
static const uint64_t data[COUNT] = {0x1111222233334444u, 0x5555666677778888u, 3, 4, 5};
static int epoll, outer, shared_epoll, watched[COUNT], source[COUNT], copy, shared_event;
static struct exchange *exchange;

static void add(int instance, int descriptor, uint32_t events, uint64_t value) {
    struct epoll_event event = {.events = events, .data.u64 = value};
    MUST(epoll_ctl(instance, EPOLL_CTL_ADD, descriptor, &event));
}

static void answer(void) {
    struct epoll_event event;
    uint64_t value;
    // The event comes before the question; taken then, it would be gone when that is asked.
    if (!exchange_is_open(exchange)) return;
    if (epoll_wait(shared_epoll, &event, 1, 0) != 1 || event.data.u64 != 99) return;
    if (read(shared_event, &value, sizeof value) == sizeof value) exchange_answer(exchange);
}

static void set_up_child(void) {}
static void check_child(void) {}

static void set_up(void) {
    exchange = probe_shared(sizeof *exchange);
    shared_event = MUST(eventfd(0, EFD_NONBLOCK));
    shared_epoll = MUST(epoll_create1(0));
    add(shared_epoll, shared_event, EPOLLIN, 99);
    probe_fork_role("child", set_up_child, check_child, answer);
    epoll = MUST(epoll_create1(EPOLL_CLOEXEC));
    int ends[2];
    MUST(pipe(ends));
    watched[PIPE] = ends[0], source[PIPE] = ends[1];
    watched[EVENT] = source[EVENT] = MUST(eventfd(0, EFD_NONBLOCK));
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    watched[SOCKET] = ends[0], source[SOCKET] = ends[1];
    watched[ONCE] = source[ONCE] = MUST(eventfd(0, EFD_NONBLOCK));
    watched[EDGE] = source[EDGE] = MUST(eventfd(0, EFD_NONBLOCK));
    add(epoll, watched[PIPE], EPOLLIN, data[PIPE]);
    add(epoll, watched[EVENT], EPOLLIN | EPOLLPRI, data[EVENT]);
    add(epoll, watched[SOCKET], EPOLLIN | EPOLLRDHUP, data[SOCKET]);
    add(epoll, watched[ONCE], EPOLLIN | EPOLLONESHOT, data[ONCE]);
    add(epoll, watched[EDGE], EPOLLIN | EPOLLET, data[EDGE]);
    outer = MUST(epoll_create1(0));
    add(outer, epoll, EPOLLIN, 777);
    // Registered under a number that is closed; the registration lives as long as the open file (epoll(7), Q6).
    int event = MUST(eventfd(0, EFD_NONBLOCK));
    copy = MUST(fcntl(event, F_DUPFD, 500));
    add(epoll, event, EPOLLIN, 888);
    MUST(close(event));
}

static uint64_t next(int instance, const char *what) {
    struct epoll_event event = {0};
    EXPECT_EQ(epoll_wait(instance, &event, 1, 0), 1, what);
    return event.data.u64;
}

static void expect_silence(int instance, const char *what) {
    struct epoll_event event;
    EXPECT_EQ(epoll_wait(instance, &event, 1, 0), 0, what);
}

static void put(int descriptor) {
    EXPECT_EQ(write(descriptor, "12345678", 8), 8, "write");
}

static void take(int descriptor) {
    char bytes[8];
    EXPECT_EQ(read(descriptor, bytes, 8), 8, "read");
}

static void check(void) {
    expect_silence(epoll, "epoll_wait while nothing is ready");
    expect_silence(outer, "epoll_wait on the outer instance while nothing is ready");
    for (int i = 0; i < COUNT; i++) {
        put(source[i]);
        EXPECT_EQ(next(outer, "the outer instance"), 777, "the data of the outer instance");
        EXPECT_EQ(next(epoll, "a registration"), data[i], "the data of a registration");
        if (i == ONCE || i == EDGE) expect_silence(epoll, "a registration that tells once");
        else EXPECT_EQ(next(epoll, "a registration, again"), data[i], "the data of a registration, again");
        take(watched[i]);
    }
    put(source[ONCE]);
    expect_silence(epoll, "a one-shot registration that has told");
    take(watched[ONCE]);
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.u64 = data[ONCE]};
    MUST(epoll_ctl(epoll, EPOLL_CTL_MOD, watched[ONCE], &event));
    put(copy);
    EXPECT_EQ(next(epoll, "the registration whose number is closed"), 888, "its data");
    take(copy);
    MUST_FAIL(epoll_ctl(epoll, EPOLL_CTL_ADD, watched[PIPE], &event), EEXIST);
    put(shared_event);
    exchange_ask(exchange);
    expect_silence(shared_epoll, "the shared instance");
}

static bool spoil(int way) {
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 1};
    switch (way) {
    case 0: return epoll_ctl(epoll, EPOLL_CTL_DEL, watched[PIPE], NULL) == 0;
    case 1: return epoll_ctl(epoll, EPOLL_CTL_MOD, watched[EVENT], &event) == 0;
    case 2: event.data.u64 = data[EDGE]; return epoll_ctl(epoll, EPOLL_CTL_MOD, watched[EDGE], &event) == 0;
    case 3: return epoll_ctl(outer, EPOLL_CTL_DEL, epoll, NULL) == 0;
    case 4: { // closed for good
        int new = eventfd(0, EFD_NONBLOCK);
        dup2(new, copy), close(new);
        return true;
    }
    case 5: event.events = 0; return epoll_ctl(epoll, EPOLL_CTL_MOD, watched[ONCE], &event) == 0;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"epolls", set_up, check, spoil, NULL});
}
