// Pipes: what lies in them, their size and flags, a full one with a writer asleep, ends that are closed, ends in two
// processes.

#include "probe.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int filled[2], large[2], full[2], packets[2], no_reader, no_writer[2], to_child[2], from_child[2];
static volatile int writes;

// Turns what comes in into capital letters, as one part of a shell's pipeline.
static void pass_on(void) {
    struct pollfd readable = {.fd = to_child[0], .events = POLLIN};
    char byte;
    while (poll(&readable, 1, 0) == 1 && read(to_child[0], &byte, 1) == 1) {
        byte = byte >= 'a' && byte <= 'z' ? byte - 'a' + 'A' : byte;
        if (write(from_child[1], &byte, 1) != 1) _exit(1);
    }
}

static void set_up_child(void) {
    MUST(close(to_child[1]));
    MUST(close(from_child[0]));
}

static void check_child(void) {}

// Whole pages, or the pipe would hold less than its size.
#define BLOCK (32 * 4096)

static void *fill(void *unused) {
    static char block[BLOCK];
    memset(block, 'f', sizeof block);
    for (;;) {
        // A write that waits in its midst may end with what it has written, as by a signal (pipe(7)).
        ssize_t written;
        for (size_t done = 0; done < sizeof block; done += written)
            if ((written = write(full[1], block, sizeof block - done)) < 0) return NULL;
        writes++;
    }
    return NULL;
}

static bool is_full(void) {
    int length;
    return ioctl(full[0], FIONREAD, &length) == 0 && length == 65536;
}

static void put(int pipe, const char *text) {
    EXPECT_EQ(write(pipe, text, strlen(text)), strlen(text), text);
}

static void set_up(void) {
    signal(SIGPIPE, SIG_IGN);
    MUST(pipe2(to_child, O_CLOEXEC));
    MUST(pipe2(from_child, O_CLOEXEC));
    probe_fork_role("child", set_up_child, check_child, pass_on);
    MUST(close(to_child[0]));
    MUST(close(from_child[1]));
    MUST(pipe2(filled, O_NONBLOCK));
    put(filled[1], "first ");
    put(filled[1], "second");
    MUST(pipe(large));
    MUST(fcntl(large[1], F_SETPIPE_SZ, 1 << 20));
    MUST(pipe(full));
    MUST(pipe2(packets, O_DIRECT | O_NONBLOCK));
    put(packets[1], "one");
    put(packets[1], "two and more");
    int ends[2];
    MUST(pipe(ends));
    MUST(close(ends[0]));
    no_reader = ends[1];
    MUST(pipe(no_writer));
    put(no_writer[1], "last words");
    MUST(close(no_writer[1]));
    pthread_t thread;
    MUST_ZERO(pthread_create(&thread, NULL, fill, NULL));
    EVENTUALLY(is_full(), "the pipe is not filled");
}

static void check_content(void) {
    char text[100];
    probe_expect_content(filled[0], "first second", "what lies in the pipe");
    MUST_FAIL(read(filled[0], text, 1), EAGAIN);
    put(filled[1], "first ");
    put(filled[1], "second");
    EXPECT_EQ(fcntl(large[0], F_GETPIPE_SZ), 1 << 20, "the size of the large pipe");
    EXPECT_EQ(read(packets[0], text, sizeof text), 3, "the first packet");
    EXPECT_EQ(read(packets[0], text, sizeof text), 12, "the second packet");
    put(packets[1], "one");
    put(packets[1], "two and more");
}

static void check_ends(void) {
    char text[100];
    int length;
    MUST_FAIL(write(no_reader, "x", 1), EPIPE);
    MUST(ioctl(no_writer[0], FIONREAD, &length));
    EXPECT_EQ(length, 10, "what lies in the pipe without a writer");
    struct pollfd ended = {.fd = no_writer[0], .events = POLLIN};
    EXPECT_EQ(poll(&ended, 1, 0), 1, "poll");
    EXPECT_EQ(ended.revents, POLLIN | POLLHUP, "what poll says of the pipe without a writer");
    EXPECT_EQ(read(no_writer[0], text, sizeof text), 10, "read from the pipe without a writer");
    EXPECT_EQ(read(no_writer[0], text, sizeof text), 0, "read at its end");
    int ends[2];
    MUST(pipe(ends));
    put(ends[1], "last words");
    MUST(close(ends[1]));
    MUST(dup2(ends[0], no_writer[0]));
    MUST(close(ends[0]));
}

static int asked;

static void check(void) {
    check_content();
    check_ends();
    // The writer is asleep in the middle of its block; it goes on when there is room.
    int length, before = writes;
    EXPECT(is_full(), "the full pipe is not full any more");
    static char block[BLOCK];
    for (int left = sizeof block; left > 0; left -= length) {
        EXPECT((length = read(full[0], block, left)) > 0, "read from the full pipe");
        for (int i = 0; i < length; i++) EXPECT_EQ(block[i], 'f', "a byte of the full pipe");
    }
    EVENTUALLY(writes == before + 1, "the writer does not go on");
    EVENTUALLY(is_full(), "the pipe is not filled again");
    char text[3] = {'a' + asked % 26, 'z', 0}, found[3] = "", expected[3] = {'A' + asked % 26, 'Z', 0};
    put(to_child[1], text);
    for (int i = 0; i < 2; i++) {
        struct pollfd readable = {.fd = from_child[0], .events = POLLIN};
        EXPECT_EQ(poll(&readable, 1, 2000), 1, "the child in the pipeline does not answer");
        EXPECT_EQ(read(from_child[0], found + i, 1), 1, "read");
    }
    EXPECT_TEXT(found, expected, "what the child made of it");
    asked++;
}

static bool spoil(int way) {
    char byte;
    switch (way) {
    case 0: return read(filled[0], &byte, 1) == 1;
    case 1: return fcntl(large[0], F_SETPIPE_SZ, 65536) > 0;
    case 2: fcntl(packets[1], F_SETFL, O_NONBLOCK), put(packets[1], "x"); return true;
    case 3: close(no_reader), no_reader = filled[1]; return true;
    case 4: close(to_child[1]), to_child[1] = filled[1]; return true;
    case 5: return read(full[0], &byte, 1) == 1;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"pipes", set_up, check, spoil, NULL});
}
