// Threads that sleep in system calls: none returns early or with EINTR, and each returns what it should when it is its
// turn.

#include "probe.h"
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    READ, WRITE, ACCEPT, RECEIVE, POLL, PPOLL, SELECT, EPOLL, FUTEX, TIMED_FUTEX, SIGNAL, CHILD, LOCK, OPEN,
    SLEEP, SLEEP_UNTIL, POLL_LONG, COUNT
};
static const char *const names[COUNT] = {
    "read from a pipe", "write to a full pipe", "accept", "recvfrom", "poll", "ppoll", "select", "epoll_wait", "futex",
    "futex with a time limit", "sigwaitinfo", "waitpid", "fcntl(F_SETLKW)", "open of a FIFO", "nanosleep",
    "clock_nanosleep", "poll with a time limit"};
// The last three are never woken up: they must simply go on.
#define WOKEN SLEEP

static int pipes[COUNT][2], listener, datagrams, epoll;
static uint32_t word;
static pid_t children[2];
static volatile int begun[COUNT], ended[COUNT], went_wrong[COUNT], wrong_errno[COUNT];
static volatile int renewed; // how often what the sleepers wait for was taken away again
static struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/tmp/sleepers.socket"};
static struct sockaddr_un datagram_address = {.sun_family = AF_UNIX, .sun_path = "/tmp/sleepers.datagrams"};

static bool takes_byte(int descriptor) {
    char byte;
    return read(descriptor, &byte, 1) == 1 && byte == '!';
}

// Sleeps in one call; whether it returned as it should.
static bool sleep_in(int kind) {
    int in = pipes[kind][0], status;
    struct pollfd readable = {.fd = in, .events = POLLIN};
    struct timespec long_time = {.tv_sec = 100000}, until;
    switch (kind) {
    case READ: return takes_byte(in);
    case WRITE: return write(pipes[kind][1], "w", 1) == 1;
    case ACCEPT: {
        int connection = accept(listener, NULL, NULL);
        return connection >= 0 && close(connection) == 0;
    }
    case RECEIVE: {
        char text[10];
        return recvfrom(datagrams, text, sizeof text, 0, NULL, NULL) == 3;
    }
    case POLL: return poll(&readable, 1, -1) == 1 && takes_byte(in);
    case PPOLL: return ppoll(&readable, 1, &long_time, NULL) == 1 && takes_byte(in);
    case SELECT: {
        fd_set set;
        FD_ZERO(&set);
        FD_SET(in, &set);
        return select(in + 1, &set, NULL, NULL, NULL) == 1 && takes_byte(in);
    }
    case EPOLL: {
        struct epoll_event event;
        return epoll_wait(epoll, &event, 1, -1) == 1 && event.data.u64 == 0x123456789abcdefu && takes_byte(in);
    }
    case FUTEX: return syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0) == 0;
    case TIMED_FUTEX: return syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &long_time, NULL, 0) == 0;
    case SIGNAL: {
        sigset_t set;
        siginfo_t info;
        sigemptyset(&set);
        sigaddset(&set, SIGRTMIN + 1);
        return sigwaitinfo(&set, &info) == SIGRTMIN + 1 && info.si_value.sival_int == 321;
    }
    case CHILD: return waitpid(children[0], &status, 0) == children[0] && WIFSIGNALED(status);
    case LOCK: {
        int file = open("/tmp/sleepers.lock", O_RDWR | O_CLOEXEC);
        return fcntl(file, F_OFD_SETLKW, &(struct flock){.l_type = F_WRLCK}) == 0 && close(file) == 0;
    }
    case OPEN: {
        int file = open("/tmp/sleepers.fifo", O_RDONLY | O_CLOEXEC);
        return file >= 0 && close(file) == 0;
    }
    case SLEEP: return nanosleep(&long_time, NULL) == 0;
    case SLEEP_UNTIL:
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += 100000;
        return clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL) == 0;
    default: return poll(&readable, 1, 100000000) == 1;
    }
}

static void *sleeper(void *argument) {
    int kind = (int)(intptr_t)argument;
    for (;;) {
        begun[kind]++;
        errno = 0;
        if (!sleep_in(kind)) {
            wrong_errno[kind] = errno;
            went_wrong[kind]++;
        }
        ended[kind]++;
        while (renewed < ended[kind]) probe_pause_ms(1);
    }
    return NULL;
}

static void wake(int kind) {
    switch (kind) {
    case WRITE: {
        char bytes[4096];
        EXPECT(read(pipes[kind][0], bytes, sizeof bytes) > 0, "the full pipe is empty");
        return;
    }
    case ACCEPT: {
        int client = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
        MUST(connect(client, (struct sockaddr *)&address, sizeof address));
        close(client);
        return;
    }
    case RECEIVE: {
        int sender = MUST(socket(AF_UNIX, SOCK_DGRAM, 0));
        EXPECT_EQ(sendto(sender, "abc", 3, 0, (struct sockaddr *)&datagram_address, sizeof datagram_address), 3,
                  "sendto");
        close(sender);
        return;
    }
    case FUTEX: MUST(syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0)); return;
    case TIMED_FUTEX: return; // woken up together with the other one
    case SIGNAL: MUST(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 321})); return;
    case CHILD: MUST(kill(children[0], SIGKILL)); return;
    case LOCK: MUST(fcntl(pipes[LOCK][0], F_OFD_SETLKW, &(struct flock){.l_type = F_UNLCK})); return;
    case OPEN: {
        int file = MUST(open("/tmp/sleepers.fifo", O_WRONLY));
        close(file);
        return;
    }
    default: EXPECT_EQ(write(pipes[kind][1], "!", 1), 1, names[kind]); return;
    }
}

// What each sleeper waits for is not there.
static void prepare(void) {
    while (write(pipes[WRITE][1], "............................................................", 60) > 0) {}
    while (write(pipes[WRITE][1], ".", 1) > 0) {}
    MUST(fcntl(pipes[WRITE][1], F_SETFL, 0));
    children[0] = MUST(fork());
    if (children[0] == 0)
        for (;;) pause();
    MUST(fcntl(pipes[LOCK][0], F_OFD_SETLKW, &(struct flock){.l_type = F_WRLCK}));
}

static void set_up(void) {
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGRTMIN + 1);
    MUST_ZERO(pthread_sigmask(SIG_BLOCK, &blocked, NULL));
    for (int i = 0; i < COUNT; i++)
        if (i != LOCK) MUST(pipe2(pipes[i], O_CLOEXEC));
    MUST(fcntl(pipes[WRITE][1], F_SETFL, O_NONBLOCK));
    pipes[LOCK][0] = MUST(open("/tmp/sleepers.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    MUST(mkfifo("/tmp/sleepers.fifo", 0600));
    listener = MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    MUST(bind(listener, (struct sockaddr *)&address, sizeof address));
    MUST(listen(listener, 5));
    datagrams = MUST(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    MUST(bind(datagrams, (struct sockaddr *)&datagram_address, sizeof datagram_address));
    epoll = MUST(epoll_create1(EPOLL_CLOEXEC));
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0x123456789abcdefu};
    MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, pipes[EPOLL][0], &event));
    prepare();
    for (int i = 0; i < COUNT; i++) {
        pthread_t thread;
        MUST_ZERO(pthread_create(&thread, NULL, sleeper, (void *)(intptr_t)i));
    }
    probe_pause_ms(20);
}

static int rounds;

static void expect_asleep(void) {
    for (int i = 0; i < COUNT; i++) {
        int expected = i < WOKEN ? rounds : 0;
        EVENTUALLY(begun[i] == expected + 1, "the sleeper in %s is not there", names[i]);
        EXPECT(!went_wrong[i], "%s failed: %s", names[i], strerror(wrong_errno[i]));
        EXPECT(ended[i] == expected, "%s has returned by itself", names[i]);
    }
}

static void check(void) {
    expect_asleep();
    rounds++;
    for (int i = 0; i < WOKEN; i++) wake(i);
    for (int i = 0; i < WOKEN; i++) {
        EVENTUALLY(ended[i] == rounds, "the sleeper in %s does not wake up", names[i]);
        EXPECT(!went_wrong[i], "%s failed: %s", names[i], strerror(wrong_errno[i]));
    }
    MUST(fcntl(pipes[WRITE][1], F_SETFL, O_NONBLOCK));
    prepare();
    renewed = rounds;
    expect_asleep();
    probe_pause_ms(10);
    expect_asleep();
}

static bool spoil(int way) {
    switch (way) {
    case 0: wake(POLL), probe_pause_ms(10); return true;
    case 1: wake(SIGNAL), probe_pause_ms(10); return true;
    case 2: went_wrong[SLEEP]++, wrong_errno[SLEEP] = EINTR; return true;
    case 3: kill(children[0], SIGKILL), probe_pause_ms(10); return true;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"sleepers", set_up, check, spoil, NULL});
}
