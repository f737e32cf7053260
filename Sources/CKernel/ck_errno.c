#define _GNU_SOURCE
#include "ck_errno.h"
#include <string.h>

const char *ck_strerrorname(int number) { return strerrorname_np(number); }

const char *ck_strerrordesc(int number) { return strerrordesc_np(number); }

const char *ck_sigabbrev(int number) { return sigabbrev_np(number); }
