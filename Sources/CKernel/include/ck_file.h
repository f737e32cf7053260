// Filesystem calls and constants that glibc declares for _GNU_SOURCE only, or not at all.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/xattr.h>

// openat2(2); O_CLOEXEC is always added. `resolve` is a set of RESOLVE_ flags.
int ck_openat2(int directory, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve);
int ck_renameat2(int from_directory, const char *from, int to_directory, const char *to, unsigned flags);
ssize_t ck_getdents64(int directory, void *buffer, size_t size);
ssize_t ck_copy_file_range(int from, off_t *from_offset, int to, off_t *to_offset, size_t length);
// ioctl(FICLONE): `to` shares all blocks of `from`.
int ck_ficlone(int to, int from);
// ioctl(FS_IOC_SETFLAGS): what is made in the folder has nothing to do with each other (chattr(1), attribute T).
int ck_spread_directories(int folder);
int ck_syncfs(int any_file);
// The type of the filesystem that a descriptor, or the file behind a path, lies on, as statfs(2) reports it; -1 on failure.
int64_t ck_filesystem_type_behind(const char *path);
int64_t ck_filesystem_type(int any_file);

extern const int ck_O_PATH;
extern const int ck_O_NOATIME;
extern const int ck_AT_EMPTY_PATH;
extern const int ck_SEEK_DATA;
extern const int ck_SEEK_HOLE;
extern const unsigned ck_RENAME_NOREPLACE;
extern const unsigned ck_RENAME_EXCHANGE;
extern const uint64_t ck_RESOLVE_NO_XDEV;
extern const uint64_t ck_RESOLVE_NO_MAGICLINKS;
extern const uint64_t ck_RESOLVE_NO_SYMLINKS;
extern const uint64_t ck_RESOLVE_BENEATH;
extern const uint64_t ck_RESOLVE_IN_ROOT;

// fchmodat with AT_SYMLINK_NOFOLLOW as one system call (Linux 6.6); where the kernel lacks it, glibc's way through /proc.
int ck_fchmodat_nofollow(int folder, const char *name, unsigned permissions);
