// ptrace(2) and its neighbours: what a tracer does with the threads that it holds. A call belongs to the thread that seized.
#pragma once

#include <stdint.h>
#include <sys/types.h>

// The general registers, as PTRACE_GETREGSET with NT_PRSTATUS fills them on x86-64 (struct user_regs_struct).
struct ck_registers {
    uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, orig_rax;
    uint64_t rip, cs, eflags, rsp, ss, fs_base, gs_base, ds, es, fs, gs;
};

// A thread's restartable sequence area (ptrace(2), PTRACE_GET_RSEQ_CONFIGURATION); `address` is 0 when it has none.
struct ck_rseq {
    uint64_t address;
    uint32_t size;
    uint32_t signature;
};

enum {
    CK_PTRACE_O_TRACEFORK = 0x02,
    CK_PTRACE_O_TRACEVFORK = 0x04,
    CK_PTRACE_O_TRACECLONE = 0x08,
    CK_PTRACE_O_EXITKILL = 0x100000,
    CK_PTRACE_EVENT_FORK = 1,
    CK_PTRACE_EVENT_VFORK = 2,
    CK_PTRACE_EVENT_CLONE = 3,
    CK_PTRACE_EVENT_STOP = 128,
    // The largest extended state that any x86-64 processor has today, AMX tiles included (11 KiB), with room.
    CK_XSTATE_LIMIT = 16384,
    CK_SIGNAL_INFO_SIZE = 128,
};

int ck_ptrace_set_options(pid_t tid, uint64_t options);
int ck_ptrace_continue(pid_t tid, int signal);
int ck_ptrace_step(pid_t tid);
int ck_ptrace_get_registers(pid_t tid, struct ck_registers *registers);
int ck_ptrace_set_registers(pid_t tid, const struct ck_registers *registers);
// Returns the size of the state, or -1.
ssize_t ck_ptrace_get_extended_state(pid_t tid, void *state, size_t size);
int ck_ptrace_set_extended_state(pid_t tid, const void *state, size_t size);
int ck_ptrace_get_signal_mask(pid_t tid, uint64_t *mask);
int ck_ptrace_set_signal_mask(pid_t tid, uint64_t mask);
int ck_ptrace_get_event_message(pid_t tid, unsigned long *message);
int ck_ptrace_get_rseq(pid_t tid, struct ck_rseq *rseq);
// Fills `info` (CK_SIGNAL_INFO_SIZE bytes) with the pending signal at `index`. Returns how many were read: 0 or 1.
int ck_ptrace_peek_signal(pid_t tid, int shared, uint64_t index, void *info);
int ck_ptrace_get_signal_info(pid_t tid, void *info);

// Waits for one thread's next stop or end. Returns its id.
pid_t ck_wait_stop(pid_t tid, int *status);

int ck_get_robust_list(pid_t tid, uint64_t *head, uint64_t *length);
// 0 when both name the same object, 1 or 2 in the kernel's order, 3 when unordered (kcmp(2)); -1 on failure.
int ck_kcmp_file(pid_t first, pid_t second, int first_descriptor, int second_descriptor);
// As above: a process's descriptor, and what `poll_set` of `owner` watches under the number `watched`. A number that was closed can
// stand for several files; `place` is which of them, in the order of /proc/PID/fdinfo.
int ck_kcmp_watched(pid_t process, int descriptor, pid_t owner, int poll_set, int watched, int place);
int ck_pidfd_getfd(int pidfd, int descriptor);

int ck_get_limit(pid_t pid, int resource, uint64_t *soft, uint64_t *hard);
int ck_set_limit(pid_t pid, int resource, uint64_t soft, uint64_t hard);

// Starts a static executable that does nothing but wait, in the caller's own namespaces, with `passed` as its descriptor 3.
// As ck_clone_init otherwise.
pid_t ck_clone_template(int executable, int passed, const char *name, void *stack, size_t stack_size, int *pidfd);
