// The devices of a sandbox, open: null, zero, full, random, urandom; and a mapping of /dev/zero.

#include "probe.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static const struct device {
    const char *path;
    int minor, flags;
} devices[] = {
    {"/dev/null", 3, O_RDWR}, {"/dev/zero", 5, O_RDONLY | O_CLOEXEC}, {"/dev/full", 7, O_WRONLY | O_NONBLOCK},
    {"/dev/random", 8, O_RDONLY}, {"/dev/urandom", 9, O_RDONLY}};
enum { NULL_, ZERO, FULL, RANDOM, URANDOM, COUNT };

static int open_at[COUNT];
static char *mapped;

static void set_up(void) {
    for (int i = 0; i < COUNT; i++) open_at[i] = MUST(open(devices[i].path, devices[i].flags));
    mapped = MUST(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, open_at[ZERO], 0));
    mapped[4096] = 'm';
}

static void check(void) {
    char bytes[64];
    for (int i = 0; i < COUNT; i++) {
        struct stat info;
        MUST(fstat(open_at[i], &info));
        EXPECT(S_ISCHR(info.st_mode), "%s is not a device any more", devices[i].path);
        EXPECT_EQ(major(info.st_rdev), 1, devices[i].path);
        EXPECT_EQ(minor(info.st_rdev), devices[i].minor, devices[i].path);
    }
    EXPECT_EQ(read(open_at[NULL_], bytes, sizeof bytes), 0, "read from /dev/null");
    EXPECT_EQ(write(open_at[NULL_], bytes, sizeof bytes), sizeof bytes, "write to /dev/null");
    memset(bytes, 1, sizeof bytes);
    EXPECT_EQ(read(open_at[ZERO], bytes, sizeof bytes), sizeof bytes, "read from /dev/zero");
    for (unsigned i = 0; i < sizeof bytes; i++) EXPECT_EQ(bytes[i], 0, "a byte from /dev/zero");
    MUST_FAIL(write(open_at[FULL], bytes, sizeof bytes), ENOSPC);
    for (int i = RANDOM; i <= URANDOM; i++) {
        memset(bytes, 0, sizeof bytes);
        EXPECT_EQ(read(open_at[i], bytes, 32), 32, devices[i].path);
        int sum = 0;
        for (int k = 0; k < 32; k++) sum |= bytes[k];
        EXPECT(sum != 0, "%s gives only zeroes", devices[i].path);
    }
    EXPECT_EQ(mapped[0], 0, "an untouched page of the mapping");
    EXPECT_EQ(mapped[4096], 'm', "a written page of the mapping");
}

static bool spoil(int way) {
    switch (way) {
    case 0: return dup2(open_at[NULL_], open_at[ZERO]) >= 0;
    case 1: mapped[4096] = 0; return true;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"devices", set_up, check, spoil, NULL});
}
