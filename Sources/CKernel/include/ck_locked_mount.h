// A copy of a mount whose attributes cannot be taken back.
#pragma once

#include <stddef.h>
#include <sys/types.h>

// Copies the mount at the working directory of the calling thread, with all beneath, by way of a mount namespace of a new user
// namespace: the kernel locks the attributes of what gets there (fs/namespace.c, lock_mnt_tree), and copies keep the locks.
//
// Returns the pid of a child that has ended and was reaped, -1 when none could be made; stores a descriptor of the detached
// copy, or the negative errno of why there is none. `stack` (at least 16 KiB) is free again on return. It is C because a
// child that shares the caller's memory must not run Swift.
pid_t ck_copy_locked_tree(void *stack, size_t stack_size, int *tree);
