// POSIX shared memory: mapped by name in two processes, deleted but mapped, and lying in /dev/shm with nobody at it.

#include "probe.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096

static struct exchange *exchange;
static volatile uint64_t *shared, *deleted;
static uint64_t asked;
static int opened;

static volatile uint64_t *map(int file) {
    return MUST(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
}

static void answer(void) {
    if (!exchange_is_open(exchange)) return;
    shared[1] = shared[0] + 1000;
    deleted[1] = deleted[0] + 1000;
    exchange_answer(exchange);
}

static void set_up_child(void) {
    // Another open file description and another mapping of the same object.
    MUST(munmap((void *)shared, 4 * PAGE));
    int file = MUST(shm_open("/posix_shm.shared", O_RDWR, 0));
    shared = map(file);
    close(file);
}

static void check_child(void) {
    EXPECT_EQ(shared[3 * PAGE / 8], 31, "the last page");
}

static void set_up(void) {
    exchange = probe_shared(sizeof *exchange);
    opened = MUST(shm_open("/posix_shm.shared", O_RDWR | O_CREAT | O_TRUNC, 0640));
    MUST(ftruncate(opened, 4 * PAGE));
    shared = map(opened);
    shared[3 * PAGE / 8] = 31;
    int doomed = MUST(shm_open("/posix_shm.deleted", O_RDWR | O_CREAT | O_TRUNC, 0600));
    MUST(ftruncate(doomed, 4 * PAGE));
    deleted = map(doomed);
    MUST(shm_unlink("/posix_shm.deleted"));
    close(doomed);
    MUST(mkdir("/dev/shm/posix_shm.folder", 0711));
    probe_write("/dev/shm/posix_shm.folder/file", "nobody is here");
    MUST(symlink("posix_shm.folder/file", "/dev/shm/posix_shm.link"));
    MUST(chmod("/dev/shm/posix_shm.folder/file", 0604));
    probe_fork_role("child", set_up_child, check_child, answer);
}

static void check(void) {
    EXPECT_EQ(shared[0], asked, "the counter in shared memory");
    EXPECT_EQ(deleted[0], asked, "the counter in deleted shared memory");
    shared[0] = deleted[0] = ++asked;
    exchange_ask(exchange);
    EXPECT_EQ(shared[1], asked + 1000, "the child's answer in shared memory");
    EXPECT_EQ(deleted[1], asked + 1000, "the child's answer in deleted shared memory");
    struct stat by_descriptor, by_name;
    MUST(fstat(opened, &by_descriptor));
    MUST(stat("/dev/shm/posix_shm.shared", &by_name));
    EXPECT(by_descriptor.st_ino == by_name.st_ino && by_descriptor.st_dev == by_name.st_dev,
           "the open object is not the one with its name");
    EXPECT_EQ(by_name.st_mode & 07777, 0640, "its mode");
    char text[100];
    EXPECT_TEXT(probe_read("/dev/shm/posix_shm.link", text, sizeof text), "nobody is here", "a file in /dev/shm");
    MUST(stat("/dev/shm/posix_shm.folder/file", &by_name));
    EXPECT_EQ(by_name.st_mode & 07777, 0604, "that file's mode");
    MUST(stat("/dev/shm/posix_shm.folder", &by_name));
    EXPECT_EQ(by_name.st_mode & 07777, 0711, "that folder's mode");
    MUST_FAIL(stat("/dev/shm/posix_shm.deleted", &by_name), ENOENT);
}

static bool spoil(int way) {
    switch (way) {
    case 0: unlink("/dev/shm/posix_shm.folder/file"); return true;
    case 1: shm_unlink("/posix_shm.shared"), close(shm_open("/posix_shm.shared", O_RDWR | O_CREAT, 0640)); return true;
    case 2: mmap((void *)deleted, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        return true;
    case 3: chmod("/dev/shm/posix_shm.folder", 0755); return true;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"posix_shm", set_up, check, spoil, NULL});
}
