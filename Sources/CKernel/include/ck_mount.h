// The mount calls of Linux 5.2 and later; glibc declares them behind _GNU_SOURCE and macros.
#pragma once

#include <stdint.h>

enum {
    CK_OPEN_TREE_CLONE = 1,
    CK_AT_RECURSIVE = 0x8000,
    CK_MOUNT_ATTR_RDONLY = 0x1,
    CK_MOUNT_ATTR_NOSUID = 0x2,
    CK_MOUNT_ATTR_NODEV = 0x4,
    CK_MOUNT_ATTR_NOEXEC = 0x8,
    CK_MOUNT_ATTR_IDMAP = 0x100000,
};

int ck_fsopen(const char *filesystem);
int ck_fsconfig_string(int context, const char *key, const char *value);
int ck_fsconfig_flag(int context, const char *key);
int ck_fsconfig_create(int context);
// A context that changes the options of the filesystem at a path.
int ck_fspick(const char *path);
int ck_fsconfig_reconfigure(int context);
// The kernel's own words on why the last fsconfig failed, one line; 0 when there are none.
int ck_fscontext_message(int context, char *buffer, unsigned long size);
// A detached mount of what the context created; attributes as CK_MOUNT_ATTR_*.
int ck_fsmount(int context, uint32_t attributes);
// A detached copy of the mount at the path (CK_OPEN_TREE_CLONE, CK_AT_RECURSIVE), or a plain O_PATH handle (0).
int ck_open_tree(int folder, const char *path, uint32_t flags);
// Attaches or moves what `from_folder`/`from_path` names (an empty path: the descriptor itself).
int ck_move_mount(int from_folder, const char *from_path, int to_folder, const char *to_path);
// An empty path changes the mount that the descriptor is on.
int ck_mount_setattr(int folder, const char *path, int recursive, uint64_t set, uint64_t clear, int userns_fd);
int ck_pivot_root(const char *new_root, const char *put_old);
int ck_umount_detach(const char *path);
