// Mappings of files that were deleted, as those of a program that was replaced while it runs: shared, private, with an
// offset, longer than the file, with a descriptor beside it.

#include "probe.h"
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096
#define PATH "/tmp/deleted_mappings.file"

static char *shared, *private, *part, *beside;
static int file, asked;

static int make(int pages) {
    int made = MUST(open(PATH, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    char page[PAGE];
    for (int i = 0; i < pages; i++) {
        memset(page, 'a' + i, PAGE);
        EXPECT_EQ(write(made, page, PAGE), PAGE, "write");
    }
    return made;
}

static char *map(int opened, int pages, int protection, int flags, int first) {
    return MUST(mmap(NULL, pages * PAGE, protection, flags, opened, first * PAGE));
}

static void set_up(void) {
    int doomed = make(2);
    shared = map(doomed, 2, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
    MUST(unlink(PATH));
    memcpy(shared, "gone", 5);
    close(doomed);
    doomed = make(4);
    private = map(doomed, 8, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);
    part = map(doomed, 2, PROT_READ, MAP_SHARED, 2);
    private[PAGE + 7] = 'Z';
    MUST(unlink(PATH));
    close(doomed);
    file = make(2);
    beside = map(file, 2, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
    MUST(unlink(PATH));
    memcpy(beside + PAGE, "0", 2);
}

static void check(void) {
    struct stat info;
    MUST_FAIL(stat(PATH, &info), ENOENT);
    EXPECT_TEXT(shared, "gone", "a page that was written");
    EXPECT_EQ(shared[PAGE], 'b', "a page of the file");
    EXPECT_EQ(private[PAGE + 7], 'Z', "a byte written in private");
    EXPECT_EQ(private[PAGE + 8], 'b', "a byte beside it");
    EXPECT_EQ(private[3 * PAGE], 'd', "a page that only the file has");
    EXPECT_EQ(part[PAGE], 'd', "a part of the file");
    char shown[16], text[16];
    snprintf(text, sizeof text, "%d", asked);
    EXPECT_TEXT(beside + PAGE, text, "the mapping of a file that is open");
    snprintf(beside + PAGE, 16, "%d", ++asked);
    EXPECT(pread(file, shown, sizeof shown, PAGE) > 0, "pread");
    EXPECT_TEXT(shown, beside + PAGE, "the open file after a write to its mapping");
}

static bool spoil(int way) {
    switch (way) {
    case 0: memcpy(shared, "lost", 5); return true;
    case 1: private[3 * PAGE] = 0; return true;
    case 2: return pwrite(file, "x", 1, PAGE) == 1;
    case 3: map(-1, 2, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, 0); return true;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"deleted_mappings", set_up, check, spoil, NULL});
}
