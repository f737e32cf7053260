#define _GNU_SOURCE
#include "ck_probe_namespaces.h"
#include "ck_mount.h"
#include "ck_process.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROBE_DEADLINE_MS = 10000 };

// A failing call ends the check that it belongs to, with its name and errno as the outcome.
#define TRY(outcome, name, call)                        \
    do {                                                \
        if ((call) < 0) return failed((outcome), name); \
    } while (0)

static int failed(struct ck_check_outcome *outcome, const char *call) {
    outcome->error = errno;
    outcome->call = call;
    return -1;
}

static int succeeded(struct ck_check_outcome *outcome) {
    outcome->error = 0;
    return 0;
}

// fork(2) without its handlers, and into other namespaces. The child of a process with threads may only make
// async-signal-safe calls, to which everything here keeps. A wanted pid of 0 is any; a pidfd of NULL is not wanted.
static pid_t clone_into(uint64_t flags, pid_t wanted_pid, int *pidfd) {
    struct clone_args args = {
        .flags = flags | (pidfd ? CLONE_PIDFD : 0),
        .pidfd = (uint64_t)(uintptr_t)pidfd,
        .set_tid = wanted_pid ? (uint64_t)(uintptr_t)&wanted_pid : 0,
        .set_tid_size = wanted_pid ? 1 : 0,
    };
    return (pid_t)syscall(SYS_clone3, &args, sizeof args);
}

static void wait_for(pid_t child) {
    while (waitpid(child, NULL, __WALL) < 0 && errno == EINTR) continue;
}

// MARK: In the child

static int become_root(struct ck_check_outcome *outcome) {
    TRY(outcome, "setresgid", setresgid(0, 0, 0));
    TRY(outcome, "setresuid", setresuid(0, 0, 0));
    // A change of ids clears both: nobody could be traced, and the parent's death would go unseen.
    prctl(PR_SET_DUMPABLE, 1);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    return succeeded(outcome);
}

static int drop_groups(struct ck_check_outcome *outcome) {
    TRY(outcome, "setgroups", setgroups(0, NULL));
    return succeeded(outcome);
}

static int make_mounts_private(struct ck_check_outcome *outcome) {
    TRY(outcome, "mount MS_SLAVE", mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL));
    return succeeded(outcome);
}

static int mount_proc(struct ck_check_outcome *outcome) {
    TRY(outcome, "mount proc", mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL));
    return succeeded(outcome);
}

static int configure_overlay(struct ck_check_outcome *outcome, int context) {
    TRY(outcome, "fsconfig overlay userxattr", ck_fsconfig_flag(context, "userxattr"));
    TRY(outcome, "fsconfig overlay lowerdir+", ck_fsconfig_string(context, "lowerdir+", "lower"));
    TRY(outcome, "fsconfig overlay upperdir", ck_fsconfig_string(context, "upperdir", "upper"));
    TRY(outcome, "fsconfig overlay workdir", ck_fsconfig_string(context, "workdir", "work"));
    TRY(outcome, "fsconfig overlay CREATE", ck_fsconfig_create(context));
    return 0;
}

static int mount_overlay(struct ck_check_outcome *outcome) {
    int context = ck_fsopen("overlay");
    TRY(outcome, "fsopen overlay", context);
    int overlay = -1;
    if (configure_overlay(outcome, context) == 0) {
        overlay = ck_fsmount(context, CK_MOUNT_ATTR_NODEV);
        if (overlay < 0) failed(outcome, "fsmount overlay");
    } else {
        ck_fscontext_message(context, outcome->words, sizeof outcome->words);
    }
    close(context);
    return overlay;
}

// Deletes what lies in the lower and hides what is left of it: a whiteout and an opaque folder, which not every
// filesystem can hold.
static int use_overlay(struct ck_check_outcome *outcome, int overlay) {
    TRY(outcome, "unlinkat in an overlay", unlinkat(overlay, "file", 0));
    TRY(outcome, "unlinkat in an overlay", unlinkat(overlay, "folder", AT_REMOVEDIR));
    TRY(outcome, "mkdirat in an overlay", mkdirat(overlay, "folder", 0755));
    return succeeded(outcome);
}

// An overlay of folders made in the working directory.
static int try_overlay(struct ck_check_outcome *outcome) {
    TRY(outcome, "mkdir lower", mkdir("lower", 0755));
    TRY(outcome, "mkdir lower/folder", mkdir("lower/folder", 0755));
    TRY(outcome, "mkdir upper", mkdir("upper", 0755));
    TRY(outcome, "mkdir work", mkdir("work", 0755));
    TRY(outcome, "mknod lower/file", mknod("lower/file", S_IFREG | 0644, 0));
    int overlay = mount_overlay(outcome);
    if (overlay < 0) return -1;
    int result = use_overlay(outcome, overlay);
    close(overlay);
    return result;
}

static int try_store_overlay(struct ck_check_outcome *outcome, const char *scratch) {
    TRY(outcome, "chdir to the store", chdir(scratch));
    return try_overlay(outcome);
}

// Covers /proc, which is this mount namespace's own, with a tmpfs: an overlay's lower must be attached somewhere.
static int try_overlay_on_tmpfs(struct ck_check_outcome *outcome) {
    TRY(outcome, "mount tmpfs", mount("tmpfs", "/proc", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755"));
    TRY(outcome, "chdir", chdir("/proc"));
    return try_overlay(outcome);
}

// The namespaces of a sandbox, its user namespace a child of this one.
static int try_sandbox_namespaces(struct ck_check_outcome *outcome) {
    pid_t child = clone_into(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
                                 CLONE_NEWCGROUP,
                             0, NULL);
    if (child == 0) _exit(0);
    TRY(outcome, "clone3 with a sandbox's namespaces", child);
    wait_for(child);
    return succeeded(outcome);
}

static int try_loopback(struct ck_check_outcome *outcome) {
    TRY(outcome, "unshare network", unshare(CLONE_NEWNET));
    int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    TRY(outcome, "socket", any);
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int result = ioctl(any, SIOCSIFFLAGS, &request);
    if (result < 0) failed(outcome, "ioctl SIOCSIFFLAGS lo");
    close(any);
    return result < 0 ? -1 : succeeded(outcome);
}

// A process that only waits to be killed.
static pid_t start_idle(pid_t wanted_pid) {
    pid_t child = clone_into(0, wanted_pid, NULL);
    if (child != 0) return child;
    for (;;) pause();
}

static void end_idle(pid_t child) {
    kill(child, SIGKILL);
    wait_for(child);
}

// A restored process must get the pid that it had. As good as any that this pid namespace has not given out.
enum { WANTED_PID = 4242 };

static int try_set_tid(struct ck_check_outcome *outcome) {
    pid_t child = start_idle(WANTED_PID);
    TRY(outcome, "clone3 with set_tid", child);
    end_idle(child);
    return succeeded(outcome);
}

static int try_ptrace(struct ck_check_outcome *outcome, pid_t child) {
    TRY(outcome, "ptrace PTRACE_SEIZE", ptrace(PTRACE_SEIZE, child, NULL, NULL));
    TRY(outcome, "ptrace PTRACE_INTERRUPT", ptrace(PTRACE_INTERRUPT, child, NULL, NULL));
    TRY(outcome, "waitpid of a tracee", waitpid(child, NULL, __WALL));
    return succeeded(outcome);
}

static int try_read_memory(struct ck_check_outcome *outcome, pid_t child) {
    static const char text[] = "the same in both";
    char copy[sizeof text];
    struct iovec local = {copy, sizeof copy}, remote = {(void *)(uintptr_t)text, sizeof text};
    TRY(outcome, "process_vm_readv", process_vm_readv(child, &local, 1, &remote, 1, 0));
    return succeeded(outcome);
}

static void try_tracing(struct ck_check_outcome *ptraced, struct ck_check_outcome *memory) {
    pid_t child = start_idle(0);
    if (child < 0) {
        failed(ptraced, "clone3");
        return;
    }
    try_ptrace(ptraced, child);
    try_read_memory(memory, child);
    end_idle(child);
}

// A filter that allows everything, for the rest of this process's life.
static int try_seccomp(struct ck_check_outcome *outcome) {
    struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {.len = 1, .filter = &allow};
    TRY(outcome, "prctl PR_SET_SECCOMP", prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
    return succeeded(outcome);
}

static void try_everything(struct ck_check_outcome *outcomes, enum ck_id_mapping ids, const char *scratch) {
    if (become_root(&outcomes[CK_CHECK_BECOME_ROOT]) != 0) return;
    // With a single id the kernel demands that groups stay as they are (user_namespaces(7)).
    if (ids != CK_IDS_SINGLE) drop_groups(&outcomes[CK_CHECK_SETGROUPS]);
    if (make_mounts_private(&outcomes[CK_CHECK_PRIVATE_MOUNTS]) != 0) return;
    if (scratch) try_store_overlay(&outcomes[CK_CHECK_STORE_OVERLAY], scratch);
    mount_proc(&outcomes[CK_CHECK_PROC]);
    try_overlay_on_tmpfs(&outcomes[CK_CHECK_OVERLAY]);
    try_sandbox_namespaces(&outcomes[CK_CHECK_SANDBOX_NAMESPACES]);
    try_loopback(&outcomes[CK_CHECK_LOOPBACK]);
    try_set_tid(&outcomes[CK_CHECK_SET_TID]);
    try_tracing(&outcomes[CK_CHECK_PTRACE], &outcomes[CK_CHECK_READ_MEMORY]);
    try_seccomp(&outcomes[CK_CHECK_SECCOMP]);
}

// MARK: Outside

static void try_host_root(struct ck_namespace_probe *probe, pid_t child) {
    struct ck_check_outcome *outcome = &probe->outcomes[CK_CHECK_HOST_ROOT];
    int root = ck_open_mapped_host_root(child, outcome->words);
    if (root < 0) {
        failed(outcome, "mount_setattr MOUNT_ATTR_IDMAP");
        return;
    }
    close(root);
    succeeded(outcome);
}

static void guide(struct ck_namespace_probe *probe, pid_t child, int pidfd, int go) {
    struct ck_check_outcome *maps = &probe->outcomes[CK_CHECK_ID_MAPS];
    if (ck_write_id_maps(child, &probe->ids, probe->problem) == 0) {
        succeeded(maps);
        if (probe->ids == CK_IDS_ROOT) try_host_root(probe, child);
        if (write(go, "", 1) != 1) failed(maps, "write");
    } else {
        failed(maps, "write /proc/PID/uid_map");
        // It would wait for its maps for ever.
        ck_pidfd_send_signal(pidfd, SIGKILL);
    }
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    int result;
    do {
        result = poll(&ended, 1, PROBE_DEADLINE_MS);
    } while (result < 0 && errno == EINTR);
    if (result == 0) ck_pidfd_send_signal(pidfd, SIGKILL);
    wait_for(child);
    close(pidfd);
}

static int run(struct ck_namespace_probe *probe, const char *scratch) {
    int go[2], pidfd = -1;
    if (pipe2(go, O_CLOEXEC) != 0) return -1;
    pid_t child = clone_into(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID, 0, &pidfd);
    if (child == 0) {
        close(go[1]);
        char byte;
        if (read(go[0], &byte, 1) == 1) try_everything(probe->outcomes, probe->ids, scratch);
        _exit(0);
    }
    if (child < 0) failed(&probe->outcomes[CK_CHECK_CLONE], "clone3");
    close(go[0]);
    if (child > 0) {
        succeeded(&probe->outcomes[CK_CHECK_CLONE]);
        guide(probe, child, pidfd, go[1]);
    }
    close(go[1]);
    return 0;
}

int ck_probe_in_namespaces(const char *scratch, struct ck_namespace_probe *probe) {
    // Memory that the child writes and this process reads. What the child could not reach stays as it is set here.
    struct ck_namespace_probe *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) return -1;
    for (int i = 0; i < CK_CHECK_COUNT; i++) shared->outcomes[i].error = CK_CHECK_NOT_REACHED;
    int result = run(shared, scratch);
    int saved = errno;
    *probe = *shared;
    munmap(shared, sizeof *shared);
    errno = saved;
    return result;
}

const struct ck_check_outcome *ck_check_outcome(const struct ck_namespace_probe *probe, enum ck_namespace_check check) {
    return &probe->outcomes[check];
}
