// Mappings of files: private with pages of its own, shared and written through, with an offset, longer than the file.

#include "probe.h"
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096

static char *private, *shared, *second_part, *past_end;
static int file, written;

static int make(const char *path, int pages) {
    int made = MUST(open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    char page[PAGE];
    for (int i = 0; i < pages; i++) {
        memset(page, 'a' + i, PAGE);
        EXPECT_EQ(write(made, page, PAGE), PAGE, "write");
    }
    return made;
}

static void set_up(void) {
    file = make("/tmp/memory_file.private", 8);
    private = MUST(mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0));
    second_part = MUST(mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, file, 4 * PAGE));
    past_end = MUST(mmap(NULL, 16 * PAGE, PROT_READ, MAP_PRIVATE, file, 0));
    memset(private + 2 * PAGE, 'X', PAGE);
    private[3 * PAGE + 7] = 'Y';
    written = make("/tmp/memory_file.shared", 4);
    shared = MUST(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, written, 0));
    memcpy(shared + PAGE, "0", 2);
}

static int asked;

static void check(void) {
    EXPECT_EQ(private[0], 'a', "a page of the file");
    EXPECT_EQ(private[2 * PAGE + 10], 'X', "a page written in private");
    EXPECT_EQ(private[3 * PAGE + 7], 'Y', "a byte written in private");
    EXPECT_EQ(private[3 * PAGE + 8], 'd', "a byte beside it");
    EXPECT_EQ(second_part[0], 'e', "a mapping with an offset");
    EXPECT_EQ(past_end[8 * PAGE - 1], 'h', "the last byte of the file");
    char from_file;
    EXPECT_EQ(pread(file, &from_file, 1, 2 * PAGE + 10), 1, "pread");
    EXPECT_EQ(from_file, 'c', "the file below the private page");
    // Pages that are still the file's show what is written to it; the kernel knows which.
    char changed = 'p' + asked % 5, shown[16], text[16];
    EXPECT_EQ(pwrite(file, &changed, 1, 5 * PAGE), 1, "pwrite");
    EXPECT_EQ(private[5 * PAGE], changed, "a page that is the file's, after a write to the file");
    EXPECT_EQ(second_part[PAGE], changed, "the same page in another mapping");
    // What is written through the shared mapping is in the file, and the other way round.
    snprintf(text, sizeof text, "%d", asked);
    EXPECT_TEXT(shared + PAGE, text, "the shared page");
    EXPECT(pread(written, shown, sizeof shown, PAGE) > 0, "pread");
    EXPECT_TEXT(shown, text, "the file of the shared page");
    snprintf(shared + PAGE, 16, "%d", ++asked);
    EXPECT(pread(written, shown, sizeof shown, PAGE) > 0, "pread");
    EXPECT_TEXT(shown, shared + PAGE, "the file after a write to the shared page");
    int opened = MUST(open("/tmp/memory_file.shared", O_RDONLY | O_CLOEXEC));
    EXPECT(pread(opened, shown, sizeof shown, PAGE) > 0, "pread");
    EXPECT_TEXT(shown, shared + PAGE, "the file opened by its name");
    close(opened);
}

static bool spoil(int way) {
    switch (way) {
    case 0: private[2 * PAGE + 10] = 'c'; return true;
    case 1: private[5 * PAGE] = 'f'; return true; // a page of its own where there was the file's
    case 2: mmap(shared, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, written, 0); return true;
    case 3: mmap(past_end, 8 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0); return true;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"memory_file", set_up, check, spoil, NULL});
}
