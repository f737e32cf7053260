#define _GNU_SOURCE
#include "ck_trace.h"
#include <elf.h>
#include <errno.h>
#include <linux/kcmp.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

_Static_assert(sizeof(struct ck_registers) == sizeof(struct user_regs_struct), "the registers mirror the kernel's");

// Of linux/ptrace.h, which cannot be included beside sys/ptrace.h.
#define GET_RSEQ_CONFIGURATION 0x420f

int ck_ptrace_set_options(pid_t tid, uint64_t options) {
    return (int)ptrace(PTRACE_SETOPTIONS, tid, NULL, (void *)(uintptr_t)options);
}

int ck_ptrace_continue(pid_t tid, int signal) { return (int)ptrace(PTRACE_CONT, tid, NULL, (void *)(intptr_t)signal); }

int ck_ptrace_step(pid_t tid) { return (int)ptrace(PTRACE_SINGLESTEP, tid, NULL, NULL); }

int ck_ptrace_get_registers(pid_t tid, struct ck_registers *registers) {
    struct iovec vector = {registers, sizeof *registers};
    return (int)ptrace(PTRACE_GETREGSET, tid, (void *)NT_PRSTATUS, &vector);
}

int ck_ptrace_set_registers(pid_t tid, const struct ck_registers *registers) {
    struct iovec vector = {(void *)registers, sizeof *registers};
    return (int)ptrace(PTRACE_SETREGSET, tid, (void *)NT_PRSTATUS, &vector);
}

ssize_t ck_ptrace_get_extended_state(pid_t tid, void *state, size_t size) {
    struct iovec vector = {state, size};
    return ptrace(PTRACE_GETREGSET, tid, (void *)NT_X86_XSTATE, &vector) == 0 ? (ssize_t)vector.iov_len : -1;
}

int ck_ptrace_set_extended_state(pid_t tid, const void *state, size_t size) {
    struct iovec vector = {(void *)state, size};
    return (int)ptrace(PTRACE_SETREGSET, tid, (void *)NT_X86_XSTATE, &vector);
}

int ck_ptrace_get_signal_mask(pid_t tid, uint64_t *mask) {
    return (int)ptrace(PTRACE_GETSIGMASK, tid, (void *)sizeof *mask, mask);
}

int ck_ptrace_set_signal_mask(pid_t tid, uint64_t mask) {
    return (int)ptrace(PTRACE_SETSIGMASK, tid, (void *)sizeof mask, &mask);
}

int ck_ptrace_get_event_message(pid_t tid, unsigned long *message) {
    return (int)ptrace(PTRACE_GETEVENTMSG, tid, NULL, message);
}

int ck_ptrace_get_rseq(pid_t tid, struct ck_rseq *rseq) {
    struct {
        uint64_t address;
        uint32_t size, signature, flags, padding;
    } configuration;
    if (ptrace(GET_RSEQ_CONFIGURATION, tid, (void *)sizeof configuration, &configuration) < 0) return -1;
    *rseq = (struct ck_rseq){configuration.address, configuration.size, configuration.signature};
    return 0;
}

int ck_ptrace_peek_signal(pid_t tid, int shared, uint64_t index, void *info) {
    struct __ptrace_peeksiginfo_args args = {.off = index, .flags = shared ? PTRACE_PEEKSIGINFO_SHARED : 0, .nr = 1};
    return (int)ptrace(PTRACE_PEEKSIGINFO, tid, &args, info);
}

int ck_ptrace_get_signal_info(pid_t tid, void *info) { return (int)ptrace(PTRACE_GETSIGINFO, tid, NULL, info); }

pid_t ck_wait_stop(pid_t tid, int *status) { return waitpid(tid, status, __WALL); }

int ck_get_robust_list(pid_t tid, uint64_t *head, uint64_t *length) {
    void *pointer = NULL;
    size_t size = 0;
    if (syscall(SYS_get_robust_list, tid, &pointer, &size) != 0) return -1;
    *head = (uint64_t)(uintptr_t)pointer;
    *length = size;
    return 0;
}

int ck_kcmp_file(pid_t first, pid_t second, int first_descriptor, int second_descriptor) {
    return (int)syscall(SYS_kcmp, first, second, KCMP_FILE, (unsigned long)first_descriptor,
                        (unsigned long)second_descriptor);
}

int ck_kcmp_watched(pid_t process, int descriptor, pid_t owner, int poll_set, int watched, int place) {
    struct kcmp_epoll_slot slot = {(uint32_t)poll_set, (uint32_t)watched, (uint32_t)place};
    return (int)syscall(SYS_kcmp, process, owner, KCMP_EPOLL_TFD, (unsigned long)descriptor, &slot);
}

int ck_pidfd_getfd(int pidfd, int descriptor) { return (int)syscall(SYS_pidfd_getfd, pidfd, descriptor, 0); }

int ck_get_limit(pid_t pid, int resource, uint64_t *soft, uint64_t *hard) {
    struct rlimit limit;
    if (prlimit(pid, resource, NULL, &limit) != 0) return -1;
    *soft = limit.rlim_cur;
    *hard = limit.rlim_max;
    return 0;
}

int ck_set_limit(pid_t pid, int resource, uint64_t soft, uint64_t hard) {
    struct rlimit limit = {soft, hard};
    return prlimit(pid, resource, &limit, NULL);
}
