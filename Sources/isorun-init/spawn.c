#include "init.h"
#include "system.h"
#include <asm/ioctls.h>
#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/mman.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/signal.h>

// One program to start; the child reads it and writes `outcome` in memory that it shares with its parent.
struct program {
    const struct isorun_spawn *request;
    const uint32_t *groups;
    const char *directory;
    const char **paths, **arguments, **environment;
    const int *descriptors;
    struct outcome outcome;
};

static char child_stack[16 * 1024] __attribute__((aligned(16)));

static struct outcome assume_user(const struct program *program) {
    const struct isorun_spawn *request = program->request;
    if (request->uid == 0 && request->gid == 0 && request->group_count == 0) return SUCCEEDED;
    long result = SYSCALL(__NR_setgroups, request->group_count, program->groups);
    // Without subordinate ids the kernel forbids setgroups, and there is no other group to have.
    if (result == -EPERM && request->gid == 0) result = 0;
    if (result >= 0) result = SYSCALL(__NR_setresgid, request->gid, request->gid, request->gid);
    if (result >= 0) result = SYSCALL(__NR_setresuid, request->uid, request->uid, request->uid);
    return result < 0 ? FAILED(ISORUN_STEP_USER, result) : SUCCEEDED;
}

// Tries the pathnames in order, as a shell does with PATH: what is absent is passed over, what may not be executed is
// remembered (execvp(3)).
static struct outcome execute(const struct program *program) {
    long failure = -ENOENT;
    for (const char **path = program->paths; *path; path++) {
        long result = SYSCALL(__NR_execve, *path, program->arguments, program->environment);
        if (result == -EACCES) failure = result;
        if (result != -ENOENT && result != -ENOTDIR && result != -EACCES) return FAILED(ISORUN_STEP_EXECUTE, result);
    }
    return FAILED(ISORUN_STEP_EXECUTE, failure);
}

static struct outcome run(struct program *program) {
    for (int standard = 0; standard < ISORUN_SPAWN_DESCRIPTORS; standard++) {
        long result = SYSCALL(__NR_dup2, program->descriptors[standard], standard);
        if (result < 0) return FAILED(ISORUN_STEP_STDIO, result);
    }
    SYSCALL(__NR_setsid, 0);
    long result = 0;
    if (program->request->flags & ISORUN_SPAWN_TERMINAL) result = SYSCALL(__NR_ioctl, 0, TIOCSCTTY, 0);
    if (result < 0) return FAILED(ISORUN_STEP_TERMINAL, result);
    struct rlimit64 mark = {program->request->mark, program->request->mark};
    result = SYSCALL(__NR_prlimit64, 0, RLIMIT_LOCKS, &mark, NULL);
    if (result < 0) return FAILED(ISORUN_STEP_LIMITS, result);
    struct outcome outcome = assume_user(program);
    if (outcome.error) return outcome;
    result = SYSCALL(__NR_chdir, program->directory);
    if (result < 0) return FAILED(ISORUN_STEP_DIRECTORY, result);
    uint64_t no_signals = 0;
    SYSCALL(__NR_rt_sigprocmask, SIG_SETMASK, &no_signals, NULL, sizeof no_signals);
    return execute(program);
}

__attribute__((noreturn)) static void child(struct program *program) {
    program->outcome = run(program);
    for (;;) SYSCALL(__NR_exit_group, 127);
}

// vfork with a stack of the child's own: the parent sleeps until the child has executed or exited (clone(2)).
static long start(struct program *program) {
    // clone rather than clone3, which the seccomp filter of this very process refuses.
    long result;
    register void (*entry)(struct program *) __asm__("r12") = (void (*)(struct program *))child;
    register struct program *argument __asm__("r13") = program;
    __asm__ volatile("syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "xor %%ebp, %%ebp\n\t"
                     "mov %%r13, %%rdi\n\t"
                     "call *%%r12\n\t"
                     "1:"
                     : "=a"(result)
                     : "a"(__NR_clone), "D"(CLONE_VM | CLONE_VFORK | SIGCHLD), "S"(child_stack + sizeof child_stack),
                       "r"(entry), "r"(argument)
                     : "rcx", "r11", "memory");
    return result;
}

// Points an array of `count` and a final NULL at consecutive strings. NULL when they do not end within the payload.
static const char **point_at_strings(const char ***slot, const char **text, const char *end, uint32_t count) {
    const char **array = *slot;
    for (uint32_t i = 0; i < count; i++) {
        array[i] = *text;
        while (*text < end && **text) ++*text;
        if (*text == end) return NULL;
        ++*text;
    }
    array[count] = NULL;
    *slot = array + count + 1;
    return array;
}

struct outcome spawn(const struct isorun_spawn *request, uint32_t size, const int *descriptors, int *pid) {
    const struct outcome malformed = {ISORUN_STEP_REQUEST, EINVAL};
    if (size < sizeof *request || request->group_count > size / sizeof(uint32_t)) return malformed;
    const uint32_t *groups = (const uint32_t *)(request + 1);
    const char *text = (const char *)(groups + request->group_count), *end = (const char *)request + size;
    uint64_t strings = (uint64_t)request->path_count + request->argument_count + request->environment_count + 1;
    if (text > end || strings > size) return malformed;

    uint64_t array_bytes = (strings + 4) * sizeof(char *);
    long memory = SYSCALL(__NR_mmap, 0, array_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory < 0) return FAILED(ISORUN_STEP_REQUEST, memory);
    const char **slot = (const char **)memory;
    const char **directory = point_at_strings(&slot, &text, end, 1);
    const char **paths = directory ? point_at_strings(&slot, &text, end, request->path_count) : NULL;
    const char **arguments = paths ? point_at_strings(&slot, &text, end, request->argument_count) : NULL;
    const char **environment = arguments ? point_at_strings(&slot, &text, end, request->environment_count) : NULL;

    struct outcome outcome = malformed;
    if (environment) {
        struct program program = {
            .request = request, .groups = groups, .directory = directory[0], .paths = paths,
            .arguments = arguments, .environment = environment, .descriptors = descriptors, .outcome = SUCCEEDED,
        };
        long result = start(&program);
        outcome = result < 0 ? FAILED(ISORUN_STEP_FORK, result) : program.outcome;
        *pid = (int)result;
    }
    SYSCALL(__NR_munmap, memory, array_bytes);
    return outcome;
}
