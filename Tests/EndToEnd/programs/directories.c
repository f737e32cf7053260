// Open folders: a reading that has got half-way, lookups from them, the working directory, a folder that is deleted.

#include "probe.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FILES 200

static int half_read, base, deleted;
static char all[FILES + 2][64], half[FILES + 2][64];
static int all_count, half_count;

struct linux_dirent64 {
    uint64_t d_ino;
    int64_t d_off;
    unsigned short d_reclen;
    unsigned char d_type;
    char d_name[];
};

static int read_names(int folder, char (*names)[64], int limit) {
    char buffer[512];
    int count = 0;
    long length;
    while (count < limit && (length = MUST(syscall(SYS_getdents64, folder, buffer, sizeof buffer))) > 0) {
        for (long at = 0; at < length;) {
            struct linux_dirent64 *entry = (struct linux_dirent64 *)(buffer + at);
            EXPECT(count < FILES + 2, "too many entries");
            strcpy(names[count++], entry->d_name);
            at += entry->d_reclen;
        }
    }
    return count;
}

static void set_up(void) {
    MUST(mkdir("/tmp/directories.many", 0755));
    MUST(mkdir("/tmp/directories.deleted", 0700));
    MUST(mkdir("/tmp/directories.cwd", 0700));
    base = MUST(open("/tmp/directories.many", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (int i = 0; i < FILES; i++) {
        char name[32];
        snprintf(name, sizeof name, "file-%d", i * 7919 % FILES);
        close(MUST(openat(base, name, O_WRONLY | O_CREAT, 0600)));
    }
    half_read = MUST(open("/tmp/directories.many", O_RDONLY | O_DIRECTORY));
    half_count = read_names(half_read, half, 50);
    deleted = MUST(open("/tmp/directories.deleted", O_RDONLY | O_DIRECTORY));
    MUST(rmdir("/tmp/directories.deleted"));
    MUST(chdir("/tmp/directories.cwd"));
}

static bool has(char (*names)[64], int count, const char *name) {
    for (int i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0) return true;
    return false;
}

static void check(void) {
    static char rest[FILES + 2][64];
    off_t position = MUST(lseek(half_read, 0, SEEK_CUR));
    int count = read_names(half_read, rest, FILES + 2);
    EXPECT_EQ(half_count + count, FILES + 2, "the entries before and after the middle");
    for (int i = 0; i < FILES; i++) {
        char name[32];
        snprintf(name, sizeof name, "file-%d", i);
        EXPECT(has(half, half_count, name) != has(rest, count, name), "%s was read twice or never", name);
    }
    MUST(lseek(half_read, position, SEEK_SET));
    lseek(base, 0, SEEK_SET);
    all_count = read_names(base, all, FILES + 2);
    EXPECT_EQ(all_count, FILES + 2, "the entries of the other descriptor");
    struct stat info, other;
    MUST(fstatat(base, "file-77", &info, 0));
    MUST(stat("/tmp/directories.many/file-77", &other));
    EXPECT(info.st_ino == other.st_ino, "a lookup from the open folder leads elsewhere");
    MUST(fstat(deleted, &info));
    EXPECT(S_ISDIR(info.st_mode) && info.st_nlink == 0, "the deleted folder is not a deleted folder");
    MUST_FAIL(openat(deleted, "file", O_CREAT | O_WRONLY, 0600), ENOENT);
    close(MUST(open("relative", O_WRONLY | O_CREAT, 0600)));
    MUST(stat("/tmp/directories.cwd/relative", &info));
    MUST(unlink("relative"));
}

static bool spoil(int way) {
    switch (way) {
    case 0: lseek(half_read, 0, SEEK_SET); return true;
    case 1: return chdir("/tmp") == 0;
    case 2: close(deleted), deleted = open("/tmp", O_RDONLY | O_DIRECTORY); return true;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"directories", set_up, check, spoil, NULL});
}
