// Named pipes: with content, open for reading, writing or both, in two processes, with the name deleted.

#include "probe.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

static int both, reader, writer, deleted;

static void echo(void) {
    // The child has the other ends of the two FIFOs in between.
    struct pollfd readable = {.fd = reader, .events = POLLIN};
    char byte;
    while (poll(&readable, 1, 0) == 1 && readable.revents & POLLIN && read(reader, &byte, 1) == 1)
        if (write(writer, &byte, 1) != 1) _exit(1);
}

static void set_up_child(void) {
    reader = MUST(open("/tmp/fifos.there", O_RDONLY | O_NONBLOCK));
    writer = MUST(open("/tmp/fifos.back", O_RDWR));
}

static void check_child(void) {}

static void set_up(void) {
    MUST(mkfifo("/tmp/fifos.there", 0600));
    MUST(mkfifo("/tmp/fifos.back", 0600));
    MUST(mkfifo("/tmp/fifos.both", 0640));
    MUST(mkfifo("/tmp/fifos.deleted", 0600));
    probe_fork_role("child", set_up_child, check_child, echo);
    writer = MUST(open("/tmp/fifos.there", O_WRONLY | O_CLOEXEC));
    reader = MUST(open("/tmp/fifos.back", O_RDONLY));
    both = MUST(open("/tmp/fifos.both", O_RDWR | O_NONBLOCK));
    EXPECT_EQ(write(both, "in a FIFO", 9), 9, "write");
    deleted = MUST(open("/tmp/fifos.deleted", O_RDWR));
    EXPECT_EQ(write(deleted, "no name", 7), 7, "write");
    MUST(unlink("/tmp/fifos.deleted"));
}

static int asked;

static void check(void) {
    probe_expect_content(both, "in a FIFO", "what lies in the FIFO");
    int other = MUST(open("/tmp/fifos.both", O_WRONLY | O_NONBLOCK));
    EXPECT_EQ(write(other, "in a FIFO", 9), 9, "write by another descriptor");
    close(other);
    probe_expect_content(deleted, "no name", "what lies in the deleted FIFO");
    EXPECT_EQ(write(deleted, "no name", 7), 7, "write");
    char byte = 'a' + asked++ % 26, found = 0;
    EXPECT_EQ(write(writer, &byte, 1), 1, "write");
    struct pollfd readable = {.fd = reader, .events = POLLIN};
    EXPECT_EQ(poll(&readable, 1, 2000), 1, "the child does not answer");
    EXPECT_EQ(read(reader, &found, 1), 1, "read");
    EXPECT_EQ(found, byte, "the child's echo");
}

static bool spoil(int way) {
    char byte;
    switch (way) {
    case 0: return read(both, &byte, 1) == 1;
    case 1: return read(deleted, &byte, 1) == 1;
    case 2: close(writer), writer = open("/tmp/fifos.both", O_WRONLY | O_CLOEXEC); return true;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"fifos", set_up, check, spoil, NULL});
}
