#define _GNU_SOURCE
#include "ck_idmap.h"
#include "ck_mount.h"
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

void ck_describe(char *problem, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(problem, CK_PROBLEM_SIZE, format, arguments);
    va_end(arguments);
}

static int write_file(pid_t pid, const char *name, const char *text) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    ssize_t written = write(fd, text, strlen(text));
    int saved = errno;
    close(fd);
    errno = saved;
    return written < 0 ? -1 : 0;
}

// Whether the caller's own user namespace has every id, as the initial one has.
static int has_full_id_range(void) {
    FILE *file = fopen("/proc/self/uid_map", "re");
    if (!file) return 0;
    unsigned inside, outside, count;
    int full = fscanf(file, "%u %u %u", &inside, &outside, &count) == 3 &&
               count >= CK_ROOT_RANGE_START + CK_IDS_PER_SANDBOX;
    fclose(file);
    return full;
}

// The first range of at least CK_IDS_PER_SANDBOX - 1 ids that the file grants to the user (subuid(5)); 0 when none.
static unsigned long subordinate_range(const char *path, const char *user, uid_t uid) {
    FILE *file = fopen(path, "re");
    if (!file) return 0;
    char line[512], number[16];
    snprintf(number, sizeof number, "%u", uid);
    unsigned long found = 0;
    while (!found && fgets(line, sizeof line, file)) {
        char *name = strtok(line, ":"), *start = strtok(NULL, ":"), *count = strtok(NULL, ":\n");
        if (!name || !start || !count) continue;
        if (strcmp(name, user) != 0 && strcmp(name, number) != 0) continue;
        if (strtoul(count, NULL, 10) >= CK_IDS_PER_SANDBOX - 1) found = strtoul(start, NULL, 10);
    }
    fclose(file);
    return found;
}

// Runs newuidmap or newgidmap (package uidmap): setuid programs, the only way to subordinate ids without root.
static int run_map_tool(const char *tool, pid_t pid, unsigned own, unsigned long first) {
    char target[16], own_id[16], first_id[24], count[16];
    snprintf(target, sizeof target, "%d", (int)pid);
    snprintf(own_id, sizeof own_id, "%u", own);
    snprintf(first_id, sizeof first_id, "%lu", first);
    snprintf(count, sizeof count, "%u", CK_IDS_PER_SANDBOX - 1);
    pid_t child = vfork();
    if (child == 0) {
        execlp(tool, tool, target, "0", own_id, "1", "1", first_id, count, (char *)NULL);
        _exit(127);
    }
    int status;
    if (child < 0) return -1;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static int map_as_root(pid_t pid) {
    char map[128];
    snprintf(map, sizeof map, "0 %u %u\n%u 0 %u\n", CK_ROOT_RANGE_START, CK_IDS_PER_SANDBOX, CK_IDS_PER_SANDBOX,
             CK_ROOT_RANGE_START);
    return write_file(pid, "uid_map", map) || write_file(pid, "gid_map", map);
}

// Root of a container, say, which has some range of ids but not the whole: all that sandboxes need, mapped to itself.
static int map_identity(pid_t pid) {
    char map[64];
    snprintf(map, sizeof map, "0 0 %u\n", CK_IDS_PER_SANDBOX);
    return write_file(pid, "uid_map", map) || write_file(pid, "gid_map", map);
}

static int map_subordinate(pid_t pid, char *problem) {
    uid_t uid = getuid();
    struct passwd *entry = getpwuid(uid);
    const char *user = entry ? entry->pw_name : "";
    unsigned long uids = subordinate_range("/etc/subuid", user, uid);
    unsigned long gids = subordinate_range("/etc/subgid", user, uid);
    if (!uids || !gids) {
        ck_describe(problem, "user %s has no range of %u ids in /etc/subuid and /etc/subgid", *user ? user : "?",
                 CK_IDS_PER_SANDBOX - 1);
        return -1;
    }
    if (run_map_tool("newuidmap", pid, uid, uids) || run_map_tool("newgidmap", pid, getgid(), gids)) {
        ck_describe(problem, "newuidmap or newgidmap failed (package uidmap)");
        return -1;
    }
    return 0;
}

static int map_single(pid_t pid) {
    char map[64];
    if (write_file(pid, "setgroups", "deny") != 0) return -1;
    snprintf(map, sizeof map, "0 %u 1\n", getuid());
    if (write_file(pid, "uid_map", map) != 0) return -1;
    snprintf(map, sizeof map, "0 %u 1\n", getgid());
    return write_file(pid, "gid_map", map);
}

int ck_write_id_maps(pid_t pid, enum ck_id_mapping *ids, char *problem) {
    if (geteuid() == 0) {
        *ids = CK_IDS_ROOT;
        if (has_full_id_range() && map_as_root(pid) == 0) return 0;
        *ids = CK_IDS_SUBORDINATE;
        if (map_identity(pid) == 0) return 0;
    }
    *ids = CK_IDS_SUBORDINATE;
    if (map_subordinate(pid, problem) == 0) return 0;
    *ids = CK_IDS_SINGLE;
    return map_single(pid);
}

// MARK: The host's root filesystem

int ck_open_mapped_host_root(pid_t pid, char *problem) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/ns/user", (int)pid);
    int userns = open(path, O_RDONLY | O_CLOEXEC);
    int root = ck_open_tree(AT_FDCWD, "/", CK_OPEN_TREE_CLONE);
    if (userns < 0 || root < 0 || ck_mount_setattr(root, "", 0, CK_MOUNT_ATTR_IDMAP, 0, userns) != 0) {
        ck_describe(problem, "the root filesystem cannot be id-mapped: %s", strerror(errno));
        if (root >= 0) close(root);
        root = -1;
    }
    if (userns >= 0) close(userns);
    return root;
}

int ck_open_mapped_folder(pid_t pid, const char *path) {
    char namespace_path[64];
    snprintf(namespace_path, sizeof namespace_path, "/proc/%d/ns/user", (int)pid);
    struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS};
    int userns = open(namespace_path, O_RDONLY | O_CLOEXEC);
    int folder = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
    int tree = userns < 0 || folder < 0 ? -1 : ck_open_tree(folder, "", CK_OPEN_TREE_CLONE | CK_AT_RECURSIVE);
    int failure = errno;
    if (tree >= 0 && ck_mount_setattr(tree, "", 1, CK_MOUNT_ATTR_IDMAP, 0, userns) != 0) {
        failure = errno;
        close(tree);
        tree = -1;
    }
    if (folder >= 0) close(folder);
    if (userns >= 0) close(userns);
    errno = failure;
    return tree;
}
