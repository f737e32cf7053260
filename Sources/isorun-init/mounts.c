#include "init.h"
#include "system.h"
#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/mount.h>

#define EXISTS 0 // F_OK of access(2), from <unistd.h>
#define UMOUNT_DETACH 2 // MNT_DETACH of umount(2), which <linux/mount.h> leaves out

// What Docker and runc hide or make read-only, for the same reasons: these leak or change the host's state.
static const char *const masked_proc_files[] = {"proc/kcore", "proc/keys", "proc/latency_stats", "proc/timer_list",
                                                "proc/timer_stats", "proc/sched_debug", "proc/interrupts"};
static const char *const masked_folders[] = {"proc/acpi", "proc/asound", "proc/scsi", "sys/firmware",
                                             "sys/devices/virtual/powercap"};
static const char *const read_only_proc[] = {"proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger"};
static const char *const device_names[] = {"null", "zero", "full", "random", "urandom", "tty"};
static const char *const device_links[][2] = {
    {"/proc/self/fd", "dev/fd"},       {"/proc/self/fd/0", "dev/stdin"}, {"/proc/self/fd/1", "dev/stdout"},
    {"/proc/self/fd/2", "dev/stderr"}, {"pts/ptmx", "dev/ptmx"},
};

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define TRY(step, call)                                         \
    do {                                                        \
        long result_ = (call);                                  \
        if (result_ < 0) return FAILED(step, result_);          \
    } while (0)

static long mount(const char *source, const char *target, const char *type, unsigned long flags, const char *options) {
    return SYSCALL(__NR_mount, source, target, type, flags, options);
}

static long make_folder(const char *path, unsigned mode) { return SYSCALL(__NR_mkdir, path, mode); }

static long make_file(const char *path) {
    long fd = SYSCALL(__NR_open, path, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
    return fd < 0 ? fd : SYSCALL(__NR_close, fd);
}

// Binds what is at `source` onto `target`, with mount attributes. A source or target that this kernel lacks is no failure.
static long bind(const char *source, const char *target, uint64_t attributes, int recursive) {
    // Asked first: a copy that finds no place goes by a grace period of RCU (fs/namespace.c, dissolve_on_fput).
    if (SYSCALL(__NR_faccessat, AT_FDCWD, target, EXISTS) == -ENOENT) return 0;
    unsigned depth = recursive ? AT_RECURSIVE : 0;
    long tree = SYSCALL(__NR_open_tree, AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | depth);
    if (tree < 0) return tree == -ENOENT ? 0 : tree;
    struct mount_attr change = {.attr_set = attributes};
    long result = SYSCALL(__NR_mount_setattr, tree, "", AT_EMPTY_PATH | depth, &change, sizeof change);
    if (result >= 0) result = SYSCALL(__NR_move_mount, tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH);
    SYSCALL(__NR_close, tree);
    return result;
}

// Covers a folder with an empty one. A folder that this kernel lacks is no failure.
static long mask_folder(const char *path) {
    long result = mount("tmpfs", path, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=0,nr_inodes=1");
    return result == -ENOENT ? 0 : result;
}

static struct outcome build_proc(void) {
    const enum isorun_step step = ISORUN_STEP_MOUNT_PROC;
    TRY(step, make_folder("proc", 0555));
    TRY(step, mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL));
    for (unsigned i = 0; i < COUNT(read_only_proc); i++)
        TRY(step, bind(read_only_proc[i], read_only_proc[i], MOUNT_ATTR_RDONLY, 1));
    for (unsigned i = 0; i < COUNT(masked_proc_files); i++) TRY(step, bind("/dev/null", masked_proc_files[i], 0, 0));
    return SUCCEEDED;
}

static struct outcome build_sys(void) {
    const enum isorun_step step = ISORUN_STEP_MOUNT_SYS;
    const uint64_t attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
    TRY(step, make_folder("sys", 0555));
    long result = mount("sysfs", "sys", "sysfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    // Where the host hides parts of its own (inside Docker, say), the kernel refuses a fresh one: bind what there is.
    if (result == -EPERM) result = bind("/sys", "sys", attributes, 1);
    TRY(step, result);
    for (unsigned i = 0; i < COUNT(masked_folders); i++) TRY(step, mask_folder(masked_folders[i]));
    return SUCCEEDED;
}

// The options of a new devpts instance; `gid=` only when the group has a place in the id map.
static const char *terminal_options(uint32_t group, char *buffer) {
    static const char fixed[] = "newinstance,ptmxmode=0666,mode=0620";
    memcpy(buffer, fixed, sizeof fixed);
    if (group == UINT32_MAX) return buffer;
    char digits[10];
    unsigned count = 0;
    do {
        digits[count++] = '0' + group % 10;
        group /= 10;
    } while (group);
    char *end = buffer + sizeof fixed - 1;
    memcpy(end, ",gid=", 5);
    end += 5;
    while (count) *end++ = digits[--count];
    *end = 0;
    return buffer;
}

static struct outcome build_dev(uint32_t terminal_group) {
    const enum isorun_step step = ISORUN_STEP_MOUNT_DEV;
    char from[32] = "/dev/", to[32] = "dev/", options[64];
    TRY(step, make_folder("dev", 0755));
    TRY(step, mount("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755,size=64k"));
    for (unsigned i = 0; i < COUNT(device_names); i++) {
        unsigned length = 0;
        while (device_names[i][length]) length++;
        memcpy(from + 5, device_names[i], length + 1);
        memcpy(to + 4, device_names[i], length + 1);
        TRY(step, make_file(to));
        TRY(step, bind(from, to, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, 0));
    }
    for (unsigned i = 0; i < COUNT(device_links); i++)
        TRY(step, SYSCALL(__NR_symlink, device_links[i][0], device_links[i][1]));
    TRY(step, make_folder("dev/pts", 0755));
    TRY(step, mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, terminal_options(terminal_group, options)));
    TRY(step, make_folder("dev/shm", 01777));
    TRY(step, mount("tmpfs", "dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777"));
    TRY(step, make_folder("dev/mqueue", 01777));
    TRY(step, mount("mqueue", "dev/mqueue", "mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL));
    return SUCCEEDED;
}

// A detached tmpfs on top of the inherited root; the working directory moves onto it.
static struct outcome stage_root(void) {
    const enum isorun_step step = ISORUN_STEP_MOUNT_ROOT;
    TRY(step, mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
    long context = SYSCALL(__NR_fsopen, "tmpfs", FSOPEN_CLOEXEC);
    TRY(step, context);
    TRY(step, SYSCALL(__NR_fsconfig, context, FSCONFIG_SET_STRING, "mode", "0755"));
    TRY(step, SYSCALL(__NR_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL));
    long root = SYSCALL(__NR_fsmount, context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    TRY(step, root);
    TRY(step, SYSCALL(__NR_move_mount, root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH));
    TRY(step, SYSCALL(__NR_fchdir, root));
    SYSCALL(__NR_close, root);
    SYSCALL(__NR_close, context);
    return SUCCEEDED;
}

struct outcome build_mounts(uint32_t terminal_group) {
    struct outcome outcome = stage_root();
    if (!outcome.error) outcome = build_proc();
    if (!outcome.error) outcome = build_sys();
    if (!outcome.error) outcome = build_dev(terminal_group);
    if (outcome.error) return outcome;
    // The old root ends up on top of the new one and goes (pivot_root(2), "pivot_root(".", ".")").
    TRY(ISORUN_STEP_PIVOT, SYSCALL(__NR_pivot_root, ".", "."));
    TRY(ISORUN_STEP_PIVOT, SYSCALL(__NR_umount2, ".", UMOUNT_DETACH));
    TRY(ISORUN_STEP_PIVOT, SYSCALL(__NR_chdir, "/"));
    return SUCCEEDED;
}
