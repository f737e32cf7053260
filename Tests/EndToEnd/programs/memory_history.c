// Private memory that changes between captures in every way that memory can: written, given up, unmapped, mapped anew at the same
// place, moved, grown, protected, and that of files without a name. A second capture copies what has changed since the first; what it missed is found here.

#include "probe.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096ul
#define SLOTS 24
#define SLOT_PAGES 128
#define SLOT_SIZE (SLOT_PAGES * PAGE)
#define CHANGES 40

// What every page holds: a number that all its words are made of, or 0 for a page of zeros.
struct slot {
    uint32_t content[SLOT_PAGES];
    int pages; // that are mapped, from its beginning; 0 when nothing is
    bool is_read_only;
};

static struct slot slots[SLOTS], child_slots[SLOTS];
static struct slot *state = slots;
static unsigned char *area, *heap, *shown;
static uint32_t last_content, first_shown;
#define SHOWN_PAGES 8
static uint64_t random_state = 1;

static uint32_t below(uint32_t limit) {
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(random_state >> 33) % limit;
}

static unsigned char *place(int slot) { return area + slot * SLOT_SIZE; }

static void fill(unsigned char *page, uint32_t content) {
    for (unsigned i = 0; i < PAGE / 8; i++) ((uint64_t *)page)[i] = content ? probe_pattern(content * 512ull + i) : 0;
}

static void expect_content(const unsigned char *page, uint32_t content, int slot, int number) {
    for (unsigned i = 0; i < PAGE / 8; i++) {
        uint64_t expected = content ? probe_pattern(content * 512ull + i) : 0;
        EXPECT(((const uint64_t *)page)[i] == expected, "slot %d, page %d: it should hold content %u", slot, number, content);
    }
}

static void map_slot(int slot, int pages) {
    MUST(mmap(place(slot), pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
    state[slot].pages = pages;
    state[slot].is_read_only = false;
    memset(state[slot].content, 0, sizeof state[slot].content);
}

static void unmap_slot(int slot) {
    MUST(mmap(place(slot), SLOT_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0));
    state[slot].pages = 0;
}

static void write_some(int slot) {
    for (int i = 0; i < 6; i++) {
        int page = below(state[slot].pages);
        state[slot].content[page] = ++last_content;
        fill(place(slot) + page * PAGE, last_content);
    }
}

static void give_up_some(int slot) {
    int first = below(state[slot].pages), count = 1 + below(state[slot].pages - first);
    MUST(madvise(place(slot) + first * PAGE, count * PAGE, MADV_DONTNEED));
    memset(state[slot].content + first, 0, count * sizeof *state[slot].content);
}

static void move(int slot) {
    int target = 0;
    while (target < SLOTS && state[target].pages) target++;
    if (target == SLOTS) return;
    size_t size = state[slot].pages * PAGE;
    MUST(mremap(place(slot), size, size, MREMAP_MAYMOVE | MREMAP_FIXED, place(target)));
    state[target] = state[slot];
    unmap_slot(slot);
    if (!state[target].is_read_only && below(2)) write_some(target);
}

static void grow(int slot) {
    int pages = state[slot].pages, more = (SLOT_PAGES - pages) / 2;
    if (!more) return;
    MUST(munmap(place(slot) + pages * PAGE, more * PAGE));
    MUST(mremap(place(slot), pages * PAGE, (pages + more) * PAGE, 0));
    memset(state[slot].content + pages, 0, more * sizeof *state[slot].content);
    state[slot].pages += more;
}

static void change_something(void) {
    int slot = below(SLOTS);
    if (!state[slot].pages) {
        map_slot(slot, 16 + below(SLOT_PAGES - 16));
        write_some(slot);
        return;
    }
    if (state[slot].is_read_only) {
        MUST(mprotect(place(slot), state[slot].pages * PAGE, PROT_READ | PROT_WRITE));
        state[slot].is_read_only = false;
    }
    switch (below(7)) {
    case 0:
    case 1: write_some(slot); break;
    case 2: give_up_some(slot); break;
    case 3: move(slot); break;
    case 4: grow(slot); break;
    case 5:
        unmap_slot(slot);
        if (below(2)) map_slot(slot, 16 + below(SLOT_PAGES - 16));
        break;
    case 6:
        MUST(mprotect(place(slot), state[slot].pages * PAGE, PROT_READ));
        state[slot].is_read_only = true;
        break;
    }
}

// Maps another file at the same place. Nobody writes through the mapping: what is in it is the file's alone.
static void show_another_file(void) {
    static unsigned char page[PAGE] __attribute__((aligned(8)));
    char path[64];
    snprintf(path, sizeof path, "/tmp/.memory_history.%d", getpid());
    int file = MUST(open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    MUST(unlink(path));
    first_shown = last_content + 1;
    for (int i = 0; i < SHOWN_PAGES; i++) {
        fill(page, ++last_content);
        EXPECT_EQ(write(file, page, PAGE), PAGE, "a write");
    }
    MUST(mmap(shown, SHOWN_PAGES * PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, file, 0));
    close(file);
}

static void expect_all(void) {
    for (int page = 0; page < SHOWN_PAGES; page++) expect_content(shown + page * PAGE, first_shown + page, -2, page);
    for (int slot = 0; slot < SLOTS; slot++)
        for (int page = 0; page < state[slot].pages; page++)
            expect_content(place(slot) + page * PAGE, state[slot].content[page], slot, page);
    for (int page = 0; page < SLOT_PAGES; page++) expect_content(heap + page * PAGE, 1 + page, -1, page);
}

static void check(void) {
    expect_all();
    // So that the next capture has something to find.
    for (int i = 0; i < CHANGES; i++) change_something();
    show_another_file();
    expect_all();
}

static void set_up_child(void) {
    // The same memory as the parent's at first; then each goes its own way.
    memcpy(child_slots, slots, sizeof slots);
    state = child_slots;
    random_state = 99;
}

static void set_up(void) {
    area = MUST(mmap(NULL, SLOTS * SLOT_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    // From the heap itself, which grows beside what was there at the first capture.
    heap = sbrk(0);
    heap = sbrk(SLOT_SIZE + (PAGE - (uintptr_t)heap % PAGE) % PAGE) + (PAGE - (uintptr_t)heap % PAGE) % PAGE;
    for (int page = 0; page < SLOT_PAGES; page++) fill(heap + page * PAGE, 1 + page);
    last_content = SLOT_PAGES;
    for (int slot = 0; slot < SLOTS; slot += 2) {
        map_slot(slot, SLOT_PAGES);
        for (int page = 0; page < SLOT_PAGES; page++) {
            state[slot].content[page] = ++last_content;
            fill(place(slot) + page * PAGE, last_content);
        }
    }
    shown = MUST(mmap(NULL, SHOWN_PAGES * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    show_another_file();
    probe_fork_role("child", set_up_child, check, NULL);
}

static bool spoil(int way) {
    int slot = 0;
    while (!state[slot].pages || state[slot].is_read_only) slot++;
    switch (way) {
    case 0: place(slot)[state[slot].pages / 2 * PAGE + 17] ^= 1; return true;
    case 1: heap[3 * PAGE] ^= 1; return true;
    case 2: MUST(madvise(heap, PAGE, MADV_DONTNEED)); return true;
    }
    return false;
}

int main(void) {
    probe_main(&(struct probe){.name = "memory_history", .set_up = set_up, .check = check, .spoil = spoil});
}
