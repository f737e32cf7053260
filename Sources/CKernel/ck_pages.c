#include "ck_pages.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>

// Debian 12's linux/fs.h is older than PAGEMAP_SCAN, and its linux/userfaultfd.h than asynchronous write protection.
struct pagemap_scan {
    uint64_t size, flags, start, end, walk_end, regions, region_count, page_limit;
    uint64_t inverted, required, any_of, returned;
};
#define PAGEMAP_SCAN_CALL _IOWR('f', 16, struct pagemap_scan)
#define WRITE_PROTECT_MATCHING 1
#define WRITE_PROTECTION_ASYNC (1 << 15)

int ck_pagemap_scan(int pagemap, uint64_t start, uint64_t end, struct ck_page_choice choice,
                    struct ck_page_region *regions, size_t count, uint64_t *walked) {
    struct pagemap_scan scan = {
        .size = sizeof scan,
        .flags = choice.tracks ? WRITE_PROTECT_MATCHING : 0,
        .start = start,
        .end = end,
        .regions = (uint64_t)(uintptr_t)regions,
        .region_count = count,
        .page_limit = choice.page_limit,
        .inverted = choice.unwanted,
        .required = choice.unwanted | choice.required,
        .any_of = choice.wanted,
    };
    int found = ioctl(pagemap, PAGEMAP_SCAN_CALL, &scan);
    *walked = scan.walk_end;
    return found;
}

uint64_t ck_userfaultfd_flags(void) { return O_CLOEXEC | UFFD_USER_MODE_ONLY; }

int ck_write_tracking_begin(int descriptor) {
    struct uffdio_api api = {.api = UFFD_API, .features = WRITE_PROTECTION_ASYNC};
    return ioctl(descriptor, UFFDIO_API, &api);
}

int ck_write_tracking_add(int descriptor, uint64_t start, uint64_t size) {
    struct uffdio_register area = {.range = {.start = start, .len = size}, .mode = UFFDIO_REGISTER_MODE_WP};
    return ioctl(descriptor, UFFDIO_REGISTER, &area);
}
