// Names and sentences of error numbers; glibc declares them for _GNU_SOURCE only, which Swift does not set.
#pragma once

// Static storage, or NULL for a number that glibc does not know.
const char *ck_strerrorname(int number);
const char *ck_strerrordesc(int number);
// `KILL` for 9; NULL for a number without a name.
const char *ck_sigabbrev(int number);
