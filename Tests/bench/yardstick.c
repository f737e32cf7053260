// The floor under the engine's figures: what the kernel alone takes.
//
//     yardstick spawn N    posix_spawn of /bin/true and wait
//     yardstick clone N    clone3 of a child with all seven namespaces, which ends at once, and wait
//     yardstick clone N M  the same from a process that holds M MiB in huge pages: the least that a fork from a
//                          template can take
//
// Prints the nanoseconds of each round on a line of its own.

#define _GNU_SOURCE
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static pid_t spawn_true(void) {
    char *arguments[] = {"true", NULL};
    pid_t pid;
    return posix_spawn(&pid, "/bin/true", NULL, NULL, arguments, environ) == 0 ? pid : -1;
}

static pid_t clone_namespaces(void) {
    struct clone_args arguments = {
        .flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS
            | CLONE_NEWCGROUP,
        .exit_signal = SIGCHLD,
    };
    pid_t pid = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
    if (pid == 0) _exit(0);
    return pid;
}

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

// Memory that every child shares copy-on-write, so that its page tables are what a clone copies.
static int hold(size_t mebibytes) {
    if (mebibytes == 0) return 0;
    size_t size = mebibytes << 20;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return -1;
    madvise(memory, size, MADV_HUGEPAGE);  // small pages where there are none
    memset(memory, 1, size);
    return 0;
}

int main(int count, char **arguments) {
    if (count < 3 || count > 4) return 2;
    if (hold(count == 4 ? strtoul(arguments[3], NULL, 10) : 0) != 0) {
        perror("mmap");
        return 1;
    }
    pid_t (*start)(void) = strcmp(arguments[1], "spawn") == 0 ? spawn_true : clone_namespaces;
    for (int rounds = atoi(arguments[2]); rounds > 0; rounds--) {
        long long begun = now();
        pid_t pid = start();
        int status;
        if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
            perror(arguments[1]);
            return 1;
        }
        printf("%lld\n", now() - begun);
    }
    return 0;
}
