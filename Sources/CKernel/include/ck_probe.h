// Calls that only the feature probes make, each tried on the calling process and undone at once.
#pragma once

// Closes nothing: a range above every descriptor there can be. Linux 5.9.
int ck_probe_close_range(void);
// Makes a userfaultfd for faults of user space alone, the kind that an ordinary user may have (userfaultfd(2)).
int ck_probe_userfaultfd(void);
// Asks for the state of one page of this process (PAGEMAP_SCAN, Documentation/admin-guide/mm/pagemap.rst). Linux 6.7.
int ck_probe_pagemap_scan(void);
// Whether an open file may be executed; a memory file may not where vm.memfd_noexec is set.
int ck_probe_executable(int fd);
