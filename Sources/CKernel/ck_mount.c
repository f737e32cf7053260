#define _GNU_SOURCE
#include "ck_mount.h"
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

int ck_fsopen(const char *filesystem) { return fsopen(filesystem, FSOPEN_CLOEXEC); }

int ck_fsconfig_string(int context, const char *key, const char *value) {
    return fsconfig(context, FSCONFIG_SET_STRING, key, value, 0);
}

int ck_fsconfig_flag(int context, const char *key) { return fsconfig(context, FSCONFIG_SET_FLAG, key, NULL, 0); }

int ck_fsconfig_create(int context) { return fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0); }

int ck_fspick(const char *path) { return fspick(AT_FDCWD, path, FSPICK_CLOEXEC); }

int ck_fsconfig_reconfigure(int context) { return fsconfig(context, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0); }

int ck_fscontext_message(int context, char *buffer, unsigned long size) {
    ssize_t length = read(context, buffer, size - 1);
    if (length < 0) length = 0;
    buffer[length] = 0;
    return (int)length;
}

int ck_fsmount(int context, uint32_t attributes) { return fsmount(context, FSMOUNT_CLOEXEC, attributes); }

int ck_open_tree(int folder, const char *path, uint32_t flags) {
    return open_tree(folder, path, flags | OPEN_TREE_CLOEXEC | (*path ? AT_SYMLINK_NOFOLLOW : AT_EMPTY_PATH));
}

int ck_move_mount(int from_folder, const char *from_path, int to_folder, const char *to_path) {
    unsigned flags = (*from_path ? 0 : MOVE_MOUNT_F_EMPTY_PATH) | (*to_path ? 0 : MOVE_MOUNT_T_EMPTY_PATH);
    return move_mount(from_folder, from_path, to_folder, to_path, flags);
}

int ck_mount_setattr(int folder, const char *path, int recursive, uint64_t set, uint64_t clear, int userns_fd) {
    struct mount_attr attr = {.attr_set = set, .attr_clr = clear, .userns_fd = userns_fd < 0 ? 0 : userns_fd};
    unsigned flags = (*path ? AT_SYMLINK_NOFOLLOW : AT_EMPTY_PATH) | (recursive ? AT_RECURSIVE : 0);
    return mount_setattr(folder, path, flags, &attr, sizeof attr);
}

int ck_pivot_root(const char *new_root, const char *put_old) {
    return (int)syscall(SYS_pivot_root, new_root, put_old);
}

int ck_umount_detach(const char *path) { return umount2(path, MNT_DETACH); }
