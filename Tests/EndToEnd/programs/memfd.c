// Memory files: mapped by two processes, open with an offset, sealed, and mapped without an open descriptor.

#include "probe.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096

static int file, sealed;
static struct exchange *exchange;
static volatile uint64_t *shared, *closed;
static uint64_t asked;

static void answer(void) {
    if (!exchange_is_open(exchange)) return;
    uint64_t number = shared[0] + 1;
    if (pwrite(file, &number, sizeof number, PAGE) == sizeof number) exchange_answer(exchange);
}

static void set_up_child(void) {}
static void check_child(void) {
    EXPECT_EQ(closed[0], 99, "a mapping whose descriptor is closed");
}

static void set_up(void) {
    exchange = probe_shared(sizeof *exchange);
    file = MUST(memfd_create("a name", MFD_CLOEXEC));
    MUST(ftruncate(file, 8 * PAGE));
    shared = MUST(mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
    shared[7 * PAGE / 8] = probe_pattern(7);
    MUST(lseek(file, 1234, SEEK_SET));
    sealed = MUST(memfd_create("sealed", MFD_ALLOW_SEALING));
    EXPECT_EQ(write(sealed, "sealed content", 14), 14, "write");
    MUST(fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL));
    int other = MUST(memfd_create("closed", 0));
    MUST(ftruncate(other, PAGE));
    closed = MUST(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, other, 0));
    closed[0] = 99;
    close(other);
    probe_fork_role("child", set_up_child, check_child, answer);
}

static void check(void) {
    struct stat info;
    char content[32] = "";
    EXPECT_EQ(shared[0], asked, "the counter in the memory file");
    EXPECT_EQ(shared[7 * PAGE / 8], probe_pattern(7), "its last page");
    EXPECT_EQ(shared[4 * PAGE / 8], 0, "a page that was never touched");
    MUST(fstat(file, &info));
    EXPECT_EQ(info.st_size, 8 * PAGE, "its size");
    EXPECT_EQ(lseek(file, 0, SEEK_CUR), 1234, "its offset");
    shared[0] = ++asked;
    exchange_ask(exchange);
    EXPECT_EQ(shared[PAGE / 8], asked + 1, "what the child wrote by the descriptor");
    uint64_t by_read;
    EXPECT_EQ(pread(file, &by_read, sizeof by_read, 0), sizeof by_read, "pread");
    EXPECT_EQ(by_read, asked, "the counter read by the descriptor");
    EXPECT_EQ(fcntl(sealed, F_GET_SEALS), F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL, "the seals");
    EXPECT_EQ(pread(sealed, content, 20, 0), 14, "the sealed file's size");
    EXPECT_TEXT(content, "sealed content", "the sealed file's content");
    EXPECT_EQ(lseek(sealed, 0, SEEK_CUR), 14, "the sealed file's offset");
    EXPECT_EQ(closed[0], 99, "a mapping whose descriptor is closed");
}

static bool spoil(int way) {
    switch (way) {
    case 0: lseek(file, 0, SEEK_SET); return true;
    case 1: mmap((void *)shared, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, file, 0); return true;
    case 2: close(sealed), sealed = memfd_create("sealed", MFD_ALLOW_SEALING), write(sealed, "sealed content", 14) > 0;
        return true;
    case 3: closed[0] = 0; return true;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"memfd", set_up, check, spoil, NULL});
}
