#define _GNU_SOURCE
#include "ck_probe.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

// <linux/fs.h> of Debian 12 is older than the call.
struct page_region {
    uint64_t start, end, categories;
};
struct pagemap_scan_arguments {
    uint64_t size, flags, start, end, walk_end, regions, region_count, max_pages;
    uint64_t category_inverted, category_mask, category_any_mask, return_mask;
};
#define PAGEMAP_SCAN_REQUEST _IOWR('f', 16, struct pagemap_scan_arguments)
#define PAGE_IS_PRESENT_BIT (1u << 3)

int ck_probe_close_range(void) { return (int)syscall(SYS_close_range, ~0u, ~0u, 0); }

static void close_keeping_errno(int fd) {
    int saved = errno;
    close(fd);
    errno = saved;
}

int ck_probe_userfaultfd(void) {
    int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
    if (fd >= 0) close(fd);
    return fd < 0 ? -1 : 0;
}

int ck_probe_pagemap_scan(void) {
    int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (pagemap < 0) return -1;
    static const char probed = 1;
    const uint64_t page_size = (uint64_t)sysconf(_SC_PAGESIZE);
    const uint64_t page = (uint64_t)(uintptr_t)&probed & ~(page_size - 1);
    struct page_region region;
    struct pagemap_scan_arguments arguments = {
        .size = sizeof arguments,
        .start = page,
        .end = page + page_size,
        .regions = (uint64_t)(uintptr_t)&region,
        .region_count = 1,
        .category_mask = PAGE_IS_PRESENT_BIT,
        .return_mask = PAGE_IS_PRESENT_BIT,
    };
    int found = ioctl(pagemap, PAGEMAP_SCAN_REQUEST, &arguments);
    close_keeping_errno(pagemap);
    return found < 0 ? -1 : 0;
}

int ck_probe_executable(int fd) { return faccessat(fd, "", X_OK, AT_EMPTY_PATH); }
