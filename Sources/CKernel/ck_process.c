#define _GNU_SOURCE
#include "ck_process.h"
#include "ck_trace.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// System calls without errno: the child below shares the caller's memory, thread-local errno included.
static long raw(long number, long a, long b, long c, long d, long e) {
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return result;
}

// The child has copies of all descriptors until it executes; a pipe of somebody else's that it kept open meanwhile would
// not end, and a mount that it had files open on could not become read-only.
static void close_all_but(int a, int b, int c) {
    int kept[] = {a, b, c};
    unsigned next = 0;
    for (int round = 0; round < 3; round++) {
        int lowest = -1;
        for (int i = 0; i < 3; i++)
            if (kept[i] >= (int)next && (lowest < 0 || kept[i] < lowest)) lowest = kept[i];
        if (lowest < 0) break; // two of them were the same
        if (lowest > (int)next) raw(SYS_close_range, next, lowest - 1, 0, 0, 0);
        next = (unsigned)lowest + 1;
    }
    raw(SYS_close_range, next, ~0u, 0, 0, 0);
}

struct start {
    int executable, go, passed;
    const char *name;
};

// Runs in the child, on its own stack. `go` may be negative: then there is nothing to wait for.
__attribute__((noreturn)) static void execute(const struct start *start) {
    close_all_but(start->executable, start->go >= 0 ? start->go : start->passed, start->passed);
    char byte;
    long got = 1;
    if (start->go >= 0) {
        do {
            got = raw(SYS_read, start->go, (long)&byte, 1, 0, 0);
        } while (got == -EINTR);
    }
    // Either may be number 3 already; dup2 onto itself would leave close-on-exec set.
    long executable = raw(SYS_fcntl, start->executable, F_DUPFD_CLOEXEC, 4, 0, 0);
    long passed = raw(SYS_fcntl, start->passed, F_DUPFD_CLOEXEC, 4, 0, 0);
    if (got == 1 && executable >= 0 && passed >= 0 && raw(SYS_dup2, passed, 3, 0, 0, 0) == 3) {
        const char *argv[] = {start->name, NULL};
        const char *envp[] = {NULL};
        raw(SYS_execveat, executable, (long)"", (long)argv, (long)envp, AT_EMPTY_PATH);
    }
    for (;;) raw(SYS_exit_group, 127, 0, 0, 0, 0);
}

static pid_t clone_and_execute(struct clone_args *args, struct start arguments, void *stack, size_t stack_size) {
    // What the child reads lies at the stack's far end, so that it lives exactly as long as the stack.
    struct start *start = stack;
    *start = arguments;
    args->stack = (uint64_t)(uintptr_t)stack;
    args->stack_size = stack_size;
    long result;
    register void (*entry)(const struct start *) __asm__("r12") = (void (*)(const struct start *))execute;
    register struct start *argument __asm__("r13") = start;
    // In the child the stack pointer is the new stack's end and nothing of the caller's frame may be touched.
    __asm__ volatile("syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "xor %%ebp, %%ebp\n\t"
                     "mov %%r13, %%rdi\n\t"
                     "call *%%r12\n\t"
                     "1:"
                     : "=a"(result)
                     : "a"(SYS_clone3), "D"(args), "S"(sizeof *args), "r"(entry), "r"(argument)
                     : "rcx", "r11", "memory");
    if (result < 0) {
        errno = (int)-result;
        return -1;
    }
    return (pid_t)result;
}

pid_t ck_clone_init(int executable, int go, int passed, int control_group, const char *name, void *stack,
                    size_t stack_size, int *pidfd) {
    struct clone_args args = {
        .flags = CLONE_VM | CLONE_PIDFD | CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
                 CLONE_NEWUTS | CLONE_NEWCGROUP,
        .pidfd = (uint64_t)(uintptr_t)pidfd,
        .exit_signal = 0,
    };
    if (control_group >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)control_group;
    }
    return clone_and_execute(&args, (struct start){executable, go, passed, name}, stack, stack_size);
}

pid_t ck_clone_template(int executable, int passed, const char *name, void *stack, size_t stack_size, int *pidfd) {
    struct clone_args args = {
        .flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD, .pidfd = (uint64_t)(uintptr_t)pidfd, .exit_signal = 0};
    return clone_and_execute(&args, (struct start){executable, -1, passed, name}, stack, stack_size);
}

int ck_pidfd_open(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

int ck_pidfd_send_signal(int pidfd, int signal) {
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}

int ck_pidfd_reap(int pidfd, int nonblocking, int *status) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    if (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | __WALL | (nonblocking ? WNOHANG : 0)) != 0) return -1;
    if (info.si_pid == 0) {
        errno = EAGAIN;
        return -1;
    }
    *status = info.si_code == CLD_EXITED ? info.si_status << 8 : info.si_status;
    return 0;
}

int ck_pidfd_exit_status(int pidfd, int *status) {
    // struct pidfd_info, PIDFD_GET_INFO and PIDFD_INFO_EXIT of <linux/pidfd.h>, which is younger than the headers here.
    struct {
        uint64_t mask, control_group;
        uint32_t ids[11];
        int32_t exit_code;
    } info = {.mask = 1 << 3};
    if (ioctl(pidfd, _IOWR(0xFF, 11, info), &info) != 0) return -1;
    if (!(info.mask & 1 << 3)) {
        errno = ENODATA;
        return -1;
    }
    *status = info.exit_code;
    return 0;
}

pid_t ck_ended_child(void) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0) return errno == ECHILD ? 0 : -1;
    return info.si_code == CLD_EXITED || info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED ? info.si_pid : 0;
}

pid_t ck_reap_child(pid_t pid) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG) != 0) return errno == ECHILD ? 0 : -1;
    return info.si_pid;
}

int ck_limit_processes(pid_t pid, unsigned long count) {
    struct rlimit limit = {count, count};
    return prlimit(pid, RLIMIT_NPROC, &limit, NULL);
}

int ck_unshare_fs(void) { return unshare(CLONE_FS); }

int ck_sethostname(const char *name) { return sethostname(name, strlen(name)); }

int ck_setns(int fd, int flags) { return setns(fd, flags); }

int ck_ptrace_seize(pid_t tid) { return (int)ptrace(PTRACE_SEIZE, tid, NULL, NULL); }

int ck_ptrace_interrupt(pid_t tid) { return (int)ptrace(PTRACE_INTERRUPT, tid, NULL, NULL); }

pid_t ck_ptrace_poll_stop(pid_t tid, int *status) { return waitpid(tid, status, __WALL | WNOHANG); }

void ck_short_sleep(void) {
    struct timespec pause = {.tv_nsec = 20000};
    nanosleep(&pause, NULL);
}

int ck_ptrace_detach(pid_t tid, int signal) {
    return (int)ptrace(PTRACE_DETACH, tid, NULL, (void *)(intptr_t)signal);
}

void ck_name_thread(const char *name) { prctl(PR_SET_NAME, name); }

long ck_getrandom(void *bytes, unsigned long count) { return getrandom(bytes, count, 0); }

int ck_memfd_create(const char *name) { return memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING); }

int ck_memfd_seal(int fd) {
    return fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
}

int ck_prepare_descriptors(int count) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return -1;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return -1;
    rlim_t highest = limit.rlim_cur < (rlim_t)count ? limit.rlim_cur : (rlim_t)count;
    int descriptor = fcntl(0, F_DUPFD_CLOEXEC, (int)highest - 1);
    return descriptor < 0 ? -1 : close(descriptor);
}
