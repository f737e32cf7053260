// The pages of other processes: which there are, and which have been written (linux/fs.h, linux/userfaultfd.h).
#pragma once

#include <stddef.h>
#include <stdint.h>

// One range that PAGEMAP_SCAN found (struct page_region).
struct ck_page_region {
    uint64_t start, end, categories;
};

enum {
    // Always set where writes are not tracked.
    CK_PAGE_IS_WRITTEN = 1 << 1,
    CK_PAGE_IS_FILE = 1 << 2,
    CK_PAGE_IS_PRESENT = 1 << 3,
    CK_PAGE_IS_SWAPPED = 1 << 4,
    CK_PAGE_IS_ZERO = 1 << 5,
};

// Pages that are of all the `required` categories, of any of `wanted`, and of none of `unwanted`.
struct ck_page_choice {
    uint64_t required, wanted, unwanted;
    // Whether the pages that are found are tracked from now on, where that has been arranged.
    int tracks;
    // The search ends when this many were found; 0 for all.
    uint64_t page_limit;
};

// Finds pages between `start` and `end` (ioctl PAGEMAP_SCAN, Linux 6.7). Returns how many regions were stored; `walked` is where
// the search ended.
int ck_pagemap_scan(int pagemap, uint64_t start, uint64_t end, struct ck_page_choice choice,
                    struct ck_page_region *regions, size_t count, uint64_t *walked);

// The flags of a userfaultfd that an ordinary user may make, close-on-exec (userfaultfd(2)).
uint64_t ck_userfaultfd_flags(void);
// Makes a userfaultfd track writes without telling anybody of one (UFFD_FEATURE_WP_ASYNC, Linux 6.7).
int ck_write_tracking_begin(int descriptor);
// Arranges for tracking in a range of the process that has made the descriptor.
int ck_write_tracking_add(int descriptor, uint64_t start, uint64_t size);
