// Event descriptors: their counters, semaphores, shared with a child.

#include "probe.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static int counter, semaphore, empty, full, to_child, from_child;

static void answer(void) {
    struct pollfd readable = {.fd = to_child, .events = POLLIN};
    uint64_t value;
    if (poll(&readable, 1, 0) == 1 && read(to_child, &value, sizeof value) == sizeof value) {
        value *= 2;
        if (write(from_child, &value, sizeof value) != sizeof value) _exit(1);
    }
}

static void set_up_child(void) {}
static void check_child(void) {}

static void add(int descriptor, uint64_t value) {
    EXPECT_EQ(write(descriptor, &value, sizeof value), sizeof value, "write");
}

static uint64_t take(int descriptor, const char *what) {
    uint64_t value = 0;
    EXPECT_EQ(read(descriptor, &value, sizeof value), sizeof value, what);
    return value;
}

static void set_up(void) {
    counter = MUST(eventfd(0, EFD_NONBLOCK));
    semaphore = MUST(eventfd(3, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC));
    empty = MUST(eventfd(0, EFD_NONBLOCK));
    full = MUST(eventfd(0, EFD_NONBLOCK));
    add(counter, 0x1234567890);
    add(full, UINT64_MAX - 1);
    to_child = MUST(eventfd(0, 0));
    from_child = MUST(eventfd(0, 0));
    probe_fork_role("child", set_up_child, check_child, answer);
}

static int asked;

static void check(void) {
    uint64_t value;
    EXPECT_EQ(take(counter, "the counter"), 0x1234567890, "the counter");
    add(counter, 0x1234567890);
    for (int i = 0; i < 3; i++) EXPECT_EQ(take(semaphore, "the semaphore"), 1, "the semaphore");
    MUST_FAIL(read(semaphore, &value, sizeof value), EAGAIN);
    add(semaphore, 3);
    MUST_FAIL(read(empty, &value, sizeof value), EAGAIN);
    value = 1;
    MUST_FAIL(write(full, &value, sizeof value), EAGAIN);
    EXPECT_EQ(take(full, "the full counter"), UINT64_MAX - 1, "the full counter");
    add(full, UINT64_MAX - 1);
    add(to_child, ++asked);
    struct pollfd readable = {.fd = from_child, .events = POLLIN};
    EXPECT_EQ(poll(&readable, 1, 2000), 1, "the child does not answer");
    EXPECT_EQ(take(from_child, "the child's answer"), asked * 2, "the child's answer");
}

static bool spoil(int way) {
    switch (way) {
    case 0: add(counter, 1); return true;
    case 1: take(semaphore, "taken"); return true;
    case 2: add(empty, 1); return true;
    case 3: close(semaphore), semaphore = eventfd(3, EFD_NONBLOCK | EFD_CLOEXEC); return true;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"eventfds", set_up, check, spoil, NULL});
}
