// Files that are deleted and still open: content, size, offset, one file open twice, a temporary file without a name, a
// name that has been taken by another file since, and one of two names deleted.

#include "probe.h"
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int gone, gone_again, nameless, replaced, linked, in_folder, big;
static int asked;

static int make(const char *path, const char *text) {
    int file = MUST(open(path, O_RDWR | O_CREAT | O_TRUNC, 0640));
    EXPECT_EQ(write(file, text, strlen(text)), strlen(text), path);
    return file;
}

static void set_up(void) {
    gone = make("/tmp/deleted_files.gone", "0000 what was in the deleted file");
    gone_again = MUST(open("/tmp/deleted_files.gone", O_RDONLY));
    MUST(unlink("/tmp/deleted_files.gone"));
    MUST(lseek(gone, 5, SEEK_SET));
    nameless = MUST(open("/tmp", O_TMPFILE | O_RDWR, 0600));
    EXPECT_EQ(write(nameless, "never had a name", 16), 16, "write");
    replaced = make("/tmp/deleted_files.replaced", "the old one");
    MUST(unlink("/tmp/deleted_files.replaced"));
    close(make("/tmp/deleted_files.replaced", "the new one"));
    linked = make("/tmp/deleted_files.first", "two names");
    MUST(link("/tmp/deleted_files.first", "/tmp/deleted_files.second"));
    MUST(unlink("/tmp/deleted_files.first"));
    MUST(mkdir("/tmp/deleted_files.folder", 0755));
    in_folder = make("/tmp/deleted_files.folder/file", "its folder is gone too");
    MUST(unlink("/tmp/deleted_files.folder/file"));
    MUST(rmdir("/tmp/deleted_files.folder"));
    big = make("/tmp/deleted_files.big", "");
    for (uint64_t i = 0; i < 1 << 17; i++) {
        uint64_t word = probe_pattern(i);
        EXPECT_EQ(pwrite(big, &word, i % 512 ? 0 : 8, i * 8), i % 512 ? 0 : 8, "pwrite");
    }
    MUST(ftruncate(big, 3 << 20)); // with a hole at its end
    MUST(unlink("/tmp/deleted_files.big"));
}

static void expect_file(int file, const char *text, off_t offset, nlink_t names, const char *what) {
    char found[100];
    struct stat info;
    MUST(fstat(file, &info));
    EXPECT_EQ(info.st_size, strlen(text), what);
    EXPECT_EQ(info.st_nlink, names, what);
    EXPECT_EQ(lseek(file, 0, SEEK_CUR), offset, what);
    found[MUST(pread(file, found, sizeof found - 1, 0))] = 0;
    EXPECT_TEXT(found, text, what);
}

static void check(void) {
    char text[100], found[100];
    struct stat first, second;
    snprintf(text, sizeof text, "%04d what was in the deleted file", asked);
    expect_file(gone, text, 5, 0, "a deleted file");
    expect_file(gone_again, text, 0, 0, "the same file, opened again");
    snprintf(text, sizeof text, "%04d", ++asked);
    EXPECT_EQ(pwrite(gone, text, 4, 0), 4, "pwrite");
    EXPECT_EQ(pread(gone_again, found, 4, 0), 4, "pread");
    EXPECT_EQ(memcmp(found, text, 4), 0, "what was written to the file, read by its other descriptor");
    MUST(fstat(gone, &first));
    EXPECT_EQ(first.st_mode, S_IFREG | 0640, "the deleted file's mode");
    MUST_FAIL(stat("/tmp/deleted_files.gone", &first), ENOENT);
    expect_file(nameless, "never had a name", 16, 0, "a file without a name");
    expect_file(replaced, "the old one", 11, 0, "a file whose name another one has");
    EXPECT_TEXT(probe_read("/tmp/deleted_files.replaced", text, sizeof text), "the new one", "the file with that name");
    expect_file(linked, "two names", 9, 1, "a file with one name left");
    MUST(fstat(linked, &first));
    MUST(stat("/tmp/deleted_files.second", &second));
    EXPECT(first.st_ino == second.st_ino && first.st_dev == second.st_dev,
           "the name that is left leads to another file");
    expect_file(in_folder, "its folder is gone too", 22, 0, "a file in a deleted folder");
    MUST_FAIL(stat("/tmp/deleted_files.folder", &first), ENOENT);
    MUST(fstat(big, &first));
    EXPECT_EQ(first.st_size, 3 << 20, "the size of a deleted file with a hole");
    EXPECT(first.st_blocks * 512 < 2 << 20, "the hole of a deleted file has been filled");
    for (uint64_t i = 0; i < 1 << 17; i += 512) {
        uint64_t word;
        EXPECT_EQ(pread(big, &word, 8, i * 8), 8, "pread");
        EXPECT_EQ(word, probe_pattern(i), "a word of a deleted file");
    }
}

static bool spoil(int way) {
    switch (way) {
    case 0: return pwrite(gone, "nothing", 7, 10) == 7;
    case 1: // a copy of its own for each descriptor
        close(gone_again), gone_again = open("/tmp", O_TMPFILE | O_RDWR, 0600);
        return write(gone_again, "0002 what was in the deleted file", 33) == 33 && lseek(gone_again, 0, SEEK_SET) == 0;
    case 2: return ftruncate(nameless, 3) == 0;
    case 3: close(linked), linked = make("/tmp/deleted_files.copy", "two names"); return true;
    case 4: close(replaced), replaced = open("/tmp/deleted_files.replaced", O_RDWR); return true;
    case 5: return fchmod(gone, 0600) == 0;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"deleted_files", set_up, check, spoil, NULL});
}
