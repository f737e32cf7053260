// What a program has told the kernel about its memory: madvise(2) and mlock(2).

#include "probe.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE (64 << 10)

static const struct advice {
    int advice;
    const char *flag; // in VmFlags of smaps, proc_pid_smaps(5)
} advices[] = {
    {MADV_DONTFORK, "dc"}, {MADV_WIPEONFORK, "wf"}, {MADV_DONTDUMP, "dd"}, {MADV_HUGEPAGE, "hg"},
    {MADV_NOHUGEPAGE, "nh"}, {MADV_RANDOM, "rr"}, {MADV_SEQUENTIAL, "sr"},
};
#define COUNT (sizeof advices / sizeof *advices)

static char *regions[COUNT], *locked;

static char *map(void) {
    // A gap on both sides, so that no two regions become neighbours.
    char *area = MUST(mmap(NULL, 3 * SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    MUST(mprotect(area + SIZE, SIZE, PROT_READ | PROT_WRITE));
    memset(area + SIZE, 1, SIZE);
    return area + SIZE;
}

static bool has_flag(const char *address, const char *flag) {
    FILE *file = fopen("/proc/self/smaps", "re");
    char line[600], wanted[40], spaced[8];
    snprintf(wanted, sizeof wanted, "%lx-", (unsigned long)address);
    snprintf(spaced, sizeof spaced, " %s ", flag);
    bool is_there = false, found = false;
    while (fgets(line, sizeof line, file)) {
        if (strncmp(line, wanted, strlen(wanted)) == 0) is_there = true;
        if (is_there && strncmp(line, "VmFlags:", 8) == 0) {
            found = strstr(line, spaced) != NULL;
            break;
        }
    }
    fclose(file);
    EXPECT(is_there, "no mapping begins at %p", address);
    return found;
}

static void set_up(void) {
    for (unsigned i = 0; i < COUNT; i++) {
        regions[i] = map();
        MUST(madvise(regions[i], SIZE, advices[i].advice));
    }
    locked = map();
    MUST(mlock(locked, SIZE));
}

static void check(void) {
    for (unsigned i = 0; i < COUNT; i++) {
        EXPECT(has_flag(regions[i], advices[i].flag), "the advice %s is lost", advices[i].flag);
        EXPECT_EQ(regions[i][100], 1, "a byte of advised memory");
    }
    EXPECT(has_flag(locked, "lo"), "the memory is not locked any more");
    pid_t child = MUST(fork());
    if (child == 0) _exit(regions[1][100] == 0 ? 0 : 1);
    int status;
    MUST(waitpid(child, &status, 0));
    EXPECT_EQ(status, 0, "a child whose memory is wiped");
}

static bool spoil(int way) {
    switch (way) {
    case 0: madvise(regions[0], SIZE, MADV_DOFORK); return true;
    case 1: madvise(regions[1], SIZE, MADV_KEEPONFORK); return true;
    case 2: munlock(locked, SIZE); return true;
    case 3: madvise(regions[3], SIZE, MADV_NOHUGEPAGE); return true;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"memory_advice", set_up, check, spoil, NULL});
}
