#define _GNU_SOURCE
#include "ck_file.h"
#include <sys/stat.h>
#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

int ck_openat2(int directory, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
    struct open_how how = {.flags = flags | O_CLOEXEC, .mode = mode, .resolve = resolve};
    return (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
}

int ck_renameat2(int from_directory, const char *from, int to_directory, const char *to, unsigned flags) {
    return renameat2(from_directory, from, to_directory, to, flags);
}

ssize_t ck_getdents64(int directory, void *buffer, size_t size) { return getdents64(directory, buffer, size); }

ssize_t ck_copy_file_range(int from, off_t *from_offset, int to, off_t *to_offset, size_t length) {
    return copy_file_range(from, from_offset, to, to_offset, length, 0);
}

int ck_ficlone(int to, int from) { return ioctl(to, FICLONE, from); }

int ck_spread_directories(int folder) {
    int flags; // ioctl_iflags(2): the kernel takes an int, whatever the number's name says
    if (ioctl(folder, FS_IOC_GETFLAGS, &flags) != 0) return -1;
    flags |= FS_TOPDIR_FL;
    return ioctl(folder, FS_IOC_SETFLAGS, &flags);
}

int ck_syncfs(int any_file) { return syncfs(any_file); }

int64_t ck_filesystem_type(int any_file) {
    struct statfs status;
    return fstatfs(any_file, &status) == 0 ? (int64_t)status.f_type : -1;
}

int64_t ck_filesystem_type_behind(const char *path) {
    struct statfs status;
    return statfs(path, &status) == 0 ? (int64_t)status.f_type : -1;
}

const int ck_O_PATH = O_PATH;
const int ck_O_NOATIME = O_NOATIME;
const int ck_AT_EMPTY_PATH = AT_EMPTY_PATH;
const int ck_SEEK_DATA = SEEK_DATA;
const int ck_SEEK_HOLE = SEEK_HOLE;
const unsigned ck_RENAME_NOREPLACE = RENAME_NOREPLACE;
const unsigned ck_RENAME_EXCHANGE = RENAME_EXCHANGE;
const uint64_t ck_RESOLVE_NO_XDEV = RESOLVE_NO_XDEV;
const uint64_t ck_RESOLVE_NO_MAGICLINKS = RESOLVE_NO_MAGICLINKS;
const uint64_t ck_RESOLVE_NO_SYMLINKS = RESOLVE_NO_SYMLINKS;
const uint64_t ck_RESOLVE_BENEATH = RESOLVE_BENEATH;
const uint64_t ck_RESOLVE_IN_ROOT = RESOLVE_IN_ROOT;

int ck_fchmodat_nofollow(int folder, const char *name, unsigned permissions) {
    const long number = 452; // fchmodat2, which glibc 2.36 does not know
    int result = (int)syscall(number, folder, name, permissions, AT_SYMLINK_NOFOLLOW);
    return result == 0 || errno != ENOSYS ? result : fchmodat(folder, name, permissions, AT_SYMLINK_NOFOLLOW);
}
