// Shared anonymous memory: between relatives, seen in part by one of them, by one process alone, and mapped twice.

#include "probe.h"
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096

static struct exchange *exchange;
static volatile uint64_t *both, *partly, *alone;
static uint64_t asked;
static pid_t child;

static void answer(void) {
    if (!exchange_is_open(exchange)) return;
    both[1] = both[0] * 2;
    partly[2 * PAGE / 8] += 3;
    exchange_answer(exchange);
}

static void set_up_child(void) {
    MUST(munmap((void *)partly, PAGE));
    MUST(munmap((void *)alone, 4 * PAGE));
}

static void check_child(void) {
    EXPECT_EQ(partly[PAGE / 8], 77, "a page that both see");
}

static void set_up(void) {
    exchange = probe_shared(sizeof *exchange);
    both = probe_shared(64 * PAGE);
    partly = probe_shared(4 * PAGE);
    alone = probe_shared(4 * PAGE);
    for (int i = 1; i < 64; i += 2) both[i * PAGE / 8] = probe_pattern(i);
    partly[0] = 66;
    partly[PAGE / 8] = 77;
    alone[5] = 55;
    child = probe_fork_role("child", set_up_child, check_child, answer);
}

static void check(void) {
    EXPECT_EQ(exchange->asked, asked, "the number of questions in shared memory");
    EXPECT_EQ(both[0], asked, "the counter in shared memory");
    for (int i = 1; i < 64; i += 2) EXPECT_EQ(both[i * PAGE / 8], probe_pattern(i), "a shared page");
    EXPECT_EQ(both[2 * PAGE / 8], 0, "a shared page that was never touched");
    EXPECT_EQ(partly[0], 66, "a page that the child has unmapped");
    EXPECT_EQ(partly[2 * PAGE / 8], asked * 3, "the child's counter");
    EXPECT_EQ(alone[5], 55, "shared memory of one process");
    both[0] = ++asked;
    exchange_ask(exchange);
    EXPECT_EQ(both[1], asked * 2, "the child's answer");
}

static bool spoil(int way) {
    switch (way) {
    case 0: mmap((void *)both, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        return true;
    case 1: both[5 * PAGE / 8]++; return true;
    case 2: kill(child, SIGKILL); return true;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"memory_shared", set_up, check, spoil, NULL});
}
