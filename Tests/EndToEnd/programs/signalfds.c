// Signal descriptors: their masks, and the signals that wait to be read from them.

#include "probe.h"
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static int first, second;

static void send(int signal, int value) {
    MUST(sigqueue(getpid(), signal, (union sigval){.sival_int = value}));
}

static sigset_t set_of(int one, int other) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, one);
    sigaddset(&set, other);
    return set;
}

static void send_all(void) {
    send(SIGUSR1, 7);
    send(SIGRTMIN + 1, 21);
    send(SIGRTMIN + 1, 22);
}

static void set_up(void) {
    sigset_t blocked = set_of(SIGUSR1, SIGUSR2);
    sigaddset(&blocked, SIGRTMIN + 1);
    sigaddset(&blocked, SIGRTMIN + 2);
    MUST(sigprocmask(SIG_BLOCK, &blocked, NULL));
    sigset_t set = set_of(SIGUSR1, SIGUSR2);
    first = MUST(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
    set = set_of(SIGRTMIN + 1, SIGUSR2);
    second = MUST(signalfd(-1, &set, SFD_NONBLOCK));
    send_all();
}

static void expect(int descriptor, uint32_t signal, int value) {
    struct signalfd_siginfo info;
    EXPECT_EQ(read(descriptor, &info, sizeof info), sizeof info, "read of a signal");
    EXPECT_EQ(info.ssi_signo, signal, "the signal");
    EXPECT_EQ(info.ssi_int, value, "the signal's value");
    EXPECT_EQ(info.ssi_pid, getpid(), "the signal's sender");
}

static void check(void) {
    struct signalfd_siginfo info;
    expect(first, SIGUSR1, 7);
    MUST_FAIL(read(first, &info, sizeof info), EAGAIN);
    expect(second, SIGRTMIN + 1, 21);
    expect(second, SIGRTMIN + 1, 22);
    MUST_FAIL(read(second, &info, sizeof info), EAGAIN);
    send(SIGUSR2, 8);
    expect(second, SIGUSR2, 8);
    send(SIGRTMIN + 2, 9); // in nobody's mask
    MUST_FAIL(read(first, &info, sizeof info), EAGAIN);
    MUST_FAIL(read(second, &info, sizeof info), EAGAIN);
    sigset_t set = set_of(SIGRTMIN + 2, SIGRTMIN + 2);
    EXPECT_EQ(sigtimedwait(&set, NULL, &(struct timespec){0}), SIGRTMIN + 2, "a signal in nobody's mask");
    send_all();
}

static bool spoil(int way) {
    struct signalfd_siginfo info;
    sigset_t set;
    switch (way) {
    case 0: return read(first, &info, sizeof info) > 0;
    case 1: set = set_of(SIGUSR1, SIGRTMIN + 2); return signalfd(first, &set, 0) == first;
    case 2: set = set_of(SIGUSR2, SIGUSR2); return signalfd(second, &set, 0) == second;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"signalfds", set_up, check, spoil, NULL});
}
