// Anonymous memory: its contents, what was never touched, its protections, the heap, the stack, code made at run time.

#include "probe.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096
#define PAGES 1024

static unsigned char *region, *read_only, *inaccessible, *reserved, *mostly_empty, *discarded;
static int (*made)(void);
static uint64_t *on_stack, *on_heap[64];
static uint64_t in_data = 7, in_bss;
static int zeroes;

static unsigned char *map(size_t size, int flags) {
    return MUST(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0));
}

static void fill(unsigned char *page, uint64_t seed) {
    for (int i = 0; i < PAGE / 8; i++) ((uint64_t *)page)[i] = probe_pattern(seed * 1000 + i);
}

static void expect_filled(const unsigned char *page, uint64_t seed, const char *what) {
    for (int i = 0; i < PAGE / 8; i++) EXPECT_EQ(((const uint64_t *)page)[i], probe_pattern(seed * 1000 + i), what);
}

static void expect_zero(const unsigned char *page, const char *what) {
    for (int i = 0; i < PAGE / 8; i++) EXPECT_EQ(((const uint64_t *)page)[i], 0, what);
}

static void set_up(void) {
    region = map(PAGES * PAGE, 0);
    for (int i = 0; i < PAGES; i += 2) fill(region + i * PAGE, i); // the odd pages stay untouched
    *(uint64_t *)region = 0;
    read_only = map(4 * PAGE, 0);
    for (int i = 0; i < 4; i++) fill(read_only + i * PAGE, 5000 + i);
    MUST(mprotect(read_only, 4 * PAGE, PROT_READ));
    inaccessible = map(4 * PAGE, 0);
    for (int i = 0; i < 4; i++) fill(inaccessible + i * PAGE, 6000 + i);
    MUST(mprotect(inaccessible, 4 * PAGE, PROT_NONE));
    reserved = MUST(mmap(NULL, 1ul << 34, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    mostly_empty = map(1ul << 30, MAP_NORESERVE);
    fill(mostly_empty + (512ul << 20), 7000);
    discarded = map(16 * PAGE, 0);
    unsigned char code[] = {0xb8, 42, 0, 0, 0, 0xc3}; // mov eax, 42; ret
    unsigned char *page = map(PAGE, 0);
    memcpy(page, code, sizeof code);
    MUST(mprotect(page, PAGE, PROT_READ | PROT_EXEC));
    made = (int (*)(void))page;
    for (int i = 0; i < 64; i++) {
        on_heap[i] = malloc(100 + i * 37);
        on_heap[i][0] = probe_pattern(i);
    }
    on_heap[0][0] = 0;
    zeroes = MUST(open("/dev/zero", O_RDONLY));
    probe_write("/tmp/memory_private.sample", "sample");
    for (int i = 0; i < 16; i++) fill(discarded + i * PAGE, 8000 + i);
}

static int deepen(int depth) {
    volatile char frame[4096];
    frame[0] = (char)depth;
    return depth == 0 ? frame[0] : deepen(depth - 1) + frame[0] - (char)depth;
}

static void check_protections(void) {
    // The kernel itself refuses to write there or to read from there, which is quieter than a fault.
    MUST_FAIL(read(zeroes, read_only, 1), EFAULT);
    MUST_FAIL(read(zeroes, inaccessible, 1), EFAULT);
    MUST_FAIL(read(zeroes, reserved + (1ul << 33), 1), EFAULT);
    MUST_FAIL(read(zeroes, (void *)made, 1), EFAULT);
    int sample = MUST(open("/tmp/memory_private.sample", O_RDWR));
    MUST_FAIL(write(sample, inaccessible, 1), EFAULT);
    MUST(close(sample));
}

static long resident_pages(void) {
    char text[200];
    probe_read("/proc/self/statm", text, sizeof text);
    return atol(strchr(text, ' '));
}

static void check(void) {
    EXPECT(resident_pages() < 8192, "%ld pages are resident: what was never touched has been filled", resident_pages());
    for (int i = 2; i < PAGES; i += 2) expect_filled(region + i * PAGE, i, "a page that was written");
    for (int i = 1; i < 64; i += 2) expect_zero(region + i * PAGE, "a page that was never touched");
    for (int i = 0; i < 4; i++) expect_filled(read_only + i * PAGE, 5000 + i, "a read-only page");
    check_protections();
    MUST(mprotect(inaccessible, 4 * PAGE, PROT_READ));
    for (int i = 0; i < 4; i++) expect_filled(inaccessible + i * PAGE, 6000 + i, "a page below PROT_NONE");
    MUST(mprotect(inaccessible, 4 * PAGE, PROT_NONE));
    expect_filled(mostly_empty + (512ul << 20), 7000, "the one page of a gigabyte");
    EXPECT_EQ(made(), 42, "code made at run time");
    for (int i = 0; i < 16; i++) expect_filled(discarded + i * PAGE, 8000 + i, "a page to be discarded");
    MUST(madvise(discarded, 16 * PAGE, MADV_DONTNEED));
    for (int i = 0; i < 16; i++) expect_zero(discarded + i * PAGE, "a discarded page");
    for (int i = 0; i < 16; i++) fill(discarded + i * PAGE, 8000 + i);
    for (int i = 1; i < 64; i++) EXPECT_EQ(on_heap[i][0], probe_pattern(i), "a block of the heap");
    free(on_heap[63]);
    on_heap[63] = malloc(100 + 63 * 37);
    on_heap[63][0] = probe_pattern(63);
    EXPECT_EQ(deepen(400), 0, "a deep stack");
    // The same number in every kind of memory, counted by each check.
    uint64_t *in_region = (uint64_t *)region;
    EXPECT_EQ(in_region[0], in_bss, "the counter in anonymous memory");
    EXPECT_EQ(on_heap[0][0], in_bss, "the counter on the heap");
    EXPECT_EQ(on_stack[0], in_bss, "the counter on the stack");
    EXPECT_EQ(in_data, in_bss + 7, "the counter in .data");
    in_bss++, in_data++, in_region[0]++, on_heap[0][0]++, on_stack[0]++;
}

static bool spoil(int way) {
    switch (way) {
    case 0: region[600 * PAGE + 5] ^= 1; return true;
    case 1: region[3 * PAGE] = 1; return true;
    case 2: mprotect(read_only, PAGE, PROT_READ | PROT_WRITE); return true;
    case 3: on_stack[0]++; return true;
    case 4: memset(mostly_empty, 1, 64 << 20); return true;
    case 5: munmap(reserved, PAGE); return true;
    case 6:
        mprotect(inaccessible, PAGE, PROT_READ | PROT_WRITE);
        inaccessible[9] ^= 1;
        mprotect(inaccessible, PAGE, PROT_NONE);
        return true;
    case 7: // as if its pages came from a file: nothing is discarded
        munmap(discarded, 16 * PAGE);
        mmap(discarded, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        for (int i = 0; i < 16; i++) fill(discarded + i * PAGE, 8000 + i);
        return true;
    default: return false;
    }
}

int main(void) {
    uint64_t counter = 0;
    on_stack = &counter;
    probe_main(&(struct probe){"memory_private", set_up, check, spoil, NULL});
}
