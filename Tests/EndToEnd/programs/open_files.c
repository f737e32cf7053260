// Open files: offsets and flags, appending, what dup shares and a second open does not, numbers, what a child shares.

#include "probe.h"
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define HIGH 777

static int file, copy, apart, appending, reader, path_only, writer, directed;
static struct exchange *exchange;
static int asked;

static void answer(void) {
    // The child reads on where the parent has stopped.
    char byte;
    if (exchange_is_open(exchange) && read(file, &byte, 1) == 1) exchange_answer(exchange);
}

static void set_up_child(void) {
    MUST(close(copy)); // sharing goes by the open file, not by the number
}

static void check_child(void) {
    EXPECT_EQ(lseek(apart, 0, SEEK_CUR), 20, "the offset of the file opened for a second time, in the child");
}

static void set_up(void) {
    exchange = probe_shared(sizeof *exchange);
    char line[1000];
    for (int i = 0; i < 1000; i++) line[i] = '0' + i % 10;
    file = MUST(open("/tmp/open_files.file", O_RDWR | O_CREAT | O_TRUNC, 0644));
    EXPECT_EQ(write(file, line, sizeof line), sizeof line, "write");
    MUST(lseek(file, 100, SEEK_SET));
    copy = MUST(dup2(file, HIGH));
    apart = MUST(open("/tmp/open_files.file", O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    MUST(lseek(apart, 20, SEEK_SET));
    appending = MUST(open("/tmp/open_files.log", O_WRONLY | O_APPEND | O_CREAT | O_TRUNC | O_NONBLOCK, 0600));
    reader = MUST(open("/tmp/open_files.log", O_RDONLY));
    path_only = MUST(open("/tmp/open_files.file", O_PATH | O_CLOEXEC));
    writer = MUST(open("/tmp/open_files.sparse", O_WRONLY | O_CREAT | O_TRUNC | O_SYNC, 0640));
    MUST(lseek(writer, 1 << 30, SEEK_SET)); // past the end, and nothing is written
    directed = MUST(open("/tmp/open_files.renamed", O_RDWR | O_CREAT | O_TRUNC, 0644));
    MUST(rename("/tmp/open_files.renamed", "/tmp/open_files.new name"));
    MUST(fcntl(directed, F_SETOWN, getpid()));
    MUST(fcntl(directed, F_SETSIG, 40));
    probe_fork_role("child", set_up_child, check_child, answer);
}

static void check(void) {
    char byte, text[64];
    struct stat by_descriptor, by_name;
    off_t offset = 100 + asked * 3;
    EXPECT_EQ(lseek(file, 0, SEEK_CUR), offset, "the offset");
    EXPECT_EQ(read(file, &byte, 1), 1, "read");
    EXPECT_EQ(byte, '0' + offset % 10, "the byte at the offset");
    EXPECT_EQ(lseek(copy, 0, SEEK_CUR), offset + 1, "the offset by the copied descriptor");
    EXPECT_EQ(read(copy, &byte, 1), 1, "read by the copied descriptor");
    exchange_ask(exchange);
    EXPECT_EQ(lseek(file, 0, SEEK_CUR), offset + 3, "the offset after the child has read");
    EXPECT_EQ(lseek(apart, 0, SEEK_CUR), 20, "the offset of the file opened for a second time");
    MUST_FAIL(write(apart, "x", 1), EBADF);
    // Appended by the descriptor and read from another one.
    EXPECT_EQ(lseek(appending, 0, SEEK_SET), 0, "lseek");
    int length = snprintf(text, sizeof text, "line %d\n", asked);
    EXPECT_EQ(write(appending, text, length), length, "append");
    char found[64] = "";
    EXPECT_EQ(read(reader, found, sizeof found - 1), length, "the bytes appended since the last check");
    EXPECT_TEXT(found, text, "what was appended");
    EXPECT_EQ(fcntl(appending, F_GETFL) & (O_APPEND | O_NONBLOCK | O_ACCMODE), O_APPEND | O_NONBLOCK | O_WRONLY,
              "the flags");
    MUST_FAIL(read(path_only, &byte, 1), EBADF);
    MUST(fstat(path_only, &by_descriptor));
    MUST(stat("/tmp/open_files.file", &by_name));
    EXPECT(by_descriptor.st_ino == by_name.st_ino, "O_PATH leads to another file");
    MUST(fstat(file, &by_descriptor));
    EXPECT(by_descriptor.st_ino == by_name.st_ino && by_descriptor.st_dev == by_name.st_dev,
           "the file is not the one named");
    EXPECT_EQ(lseek(writer, 0, SEEK_CUR), 1 << 30, "an offset past the end");
    MUST(fstat(writer, &by_descriptor));
    EXPECT_EQ(by_descriptor.st_size, 0, "the size of an empty file");
    snprintf(found, sizeof found, "/proc/self/fd/%d", directed);
    EXPECT_TEXT(probe_link(found, text, sizeof text), "/tmp/open_files.new name", "a renamed file");
    EXPECT_EQ(fcntl(directed, F_GETOWN), getpid(), "the owner for signals");
    EXPECT_EQ(fcntl(directed, F_GETSIG), 40, "the signal");
    asked++;
}

static bool spoil(int way) {
    switch (way) {
    case 0: lseek(file, 1, SEEK_CUR); return true;
    case 1: // opened anew instead of duplicated
        close(copy), copy = open("/tmp/open_files.file", O_RDWR), dup2(copy, HIGH), close(copy), copy = HIGH;
        lseek(copy, lseek(file, 0, SEEK_CUR), SEEK_SET);
        return true;
    case 2: fcntl(appending, F_SETFL, O_NONBLOCK); return true;
    case 3: fcntl(apart, F_SETFD, 0); return true;
    case 4: lseek(writer, 0, SEEK_SET); return true;
    case 5: fcntl(directed, F_SETSIG, 0); return true;
    case 6: return write(appending, "more", 4) == 4;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"open_files", set_up, check, spoil, NULL});
}
