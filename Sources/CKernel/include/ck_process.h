// Creating, naming and ending processes.
#pragma once

#include <stdint.h>
#include <sys/types.h>

// Starts a static executable as the first process of new user, mount, pid, network, ipc, uts and cgroup namespaces.
//
// Nothing but this file's C runs between clone and exec, and it touches no libc state: the child shares the caller's
// memory (CLONE_VM) on a stack of its own and waits, before it executes, for one byte on `go` (its user namespace must
// have id maps by then, or the exec would strip its capabilities). `go` is a pipe or socket end whose number the child
// inherits. `passed` becomes descriptor 3 of the new program; everything else is closed by close-on-exec. With a
// `control_group` that is not negative, a folder of cgroup v2, the child is born in it.
// Returns the pid and stores a pidfd; the caller must keep `stack` (at least 16 KiB) alive until the child has executed.
pid_t ck_clone_init(int executable, int go, int passed, int control_group, const char *name, void *stack,
                    size_t stack_size, int *pidfd);

int ck_pidfd_open(pid_t pid);
int ck_pidfd_send_signal(int pidfd, int signal);
// Reaps the process of a pidfd whatever its exit signal. Stores a wait status. Returns 0, or -1; with `nonblocking`, -1 and EAGAIN while it lives.
int ck_pidfd_reap(int pidfd, int nonblocking, int *status);
// How the process of a pidfd ended, as a wait status, once it was reaped, whoever reaped it. -1 with ENODATA before, and with
// ENOTTY or EINVAL where the kernel does not tell (before Linux 6.15).
int ck_pidfd_exit_status(int pidfd, int *status);
// A child that has ended and was not reaped yet; 0 when there is none, -1 on failure. It is only looked at: any wait for
// all children would take the stop of a tracee, which is always reported, away from the thread that waits for it
// (kernel/exit.c, wait_task_stopped).
pid_t ck_ended_child(void);
// Reaps a child that has ended; its pid, 0 when it was reaped elsewhere, -1 on failure.
pid_t ck_reap_child(pid_t pid);

// Sets both RLIMIT_NPROC values of another process.
int ck_limit_processes(pid_t pid, unsigned long count);

// Moves the calling thread (not its process) into namespaces of another process; `flags` as CLONE_NEW*.
int ck_unshare_fs(void);
int ck_setns(int fd, int flags);
int ck_sethostname(const char *name);
enum { CK_CLONE_NEWNS = 0x00020000, CK_CLONE_NEWUTS = 0x04000000, CK_CLONE_NEWNET = 0x40000000, CK_CLONE_NEWIPC = 0x08000000 };

// Seizes and stops a thread; the caller must be the thread that later waits and detaches.
int ck_ptrace_seize(pid_t tid);
int ck_ptrace_interrupt(pid_t tid);
// The thread's id when its state has changed, 0 when not yet, -1 when there is no such thread.
pid_t ck_ptrace_poll_stop(pid_t tid, int *status);
// Gives a thread that is about to stop the time to do so.
void ck_short_sleep(void);
int ck_ptrace_detach(pid_t tid, int signal);

// Names the calling thread, for people who look at it in top or gdb.
void ck_name_thread(const char *name);

// At most 256 bytes: then it is never interrupted.
long ck_getrandom(void *bytes, unsigned long count);

int ck_memfd_create(const char *name);
int ck_memfd_seal(int fd);

// Raises the limit of open files to the most that is allowed, and makes the table of descriptors as large as `count` needs
// it: while a process has one thread, growing is cheap; later each doubling waits for an RCU grace period (fs/file.c).
int ck_prepare_descriptors(int count);
