// Children that have ended and that nobody has waited for: their statuses, their numbers, the times that they have
// used.

#include "probe.h"
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXITED, KILLED, FAILED, BUSY, DEEP, COUNT };
static pid_t zombies[COUNT], holder;
static volatile int told;
static struct {
    volatile pid_t zombie;
    volatile int status;
    volatile bool to_reap;
} *deep;

static void count(int signal) {
    told++;
}

static char state_of(pid_t pid) {
    char path[64], text[600];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    probe_read(path, text, sizeof text);
    return strrchr(text, ')')[2];
}

static pid_t end_by(int kind) {
    pid_t child = MUST(fork());
    if (child == 0) {
        signal(SIGCHLD, SIG_DFL);
        if (kind == KILLED) raise(SIGKILL);
        if (kind == FAILED) raise(SIGTERM);
        for (volatile long turns = 0; kind == BUSY && turns < 20000000; turns++) {}
        _exit(kind == BUSY ? 0 : 123);
    }
    EVENTUALLY(state_of(child) == 'Z', "child %d does not end", kind);
    return child;
}

// A zombie whose parent is not the main process.
static void hold(void) {
    if (deep->zombie == 0) {
        pid_t child = fork();
        if (child == 0) _exit(77);
        deep->zombie = child;
    } else if (deep->to_reap) {
        int status = -1;
        waitpid(deep->zombie, &status, WNOHANG);
        deep->status = status;
        deep->zombie = 0;
        deep->to_reap = false;
    }
}

static void set_up_holder(void) {
    signal(SIGCHLD, SIG_DFL);
}
static void check_holder(void) {}

static void make_all(void) {
    for (int i = EXITED; i < DEEP; i++) zombies[i] = end_by(i);
    EVENTUALLY(deep->zombie && state_of(deep->zombie) == 'Z', "the child's child does not end");
    zombies[DEEP] = deep->zombie;
    told = 0;
}

static void set_up(void) {
    deep = probe_shared(sizeof *deep);
    holder = probe_fork_role("holder", set_up_holder, check_holder, hold);
    signal(SIGCHLD, count);
    make_all();
}

static void expect_status(int kind, int expected, const char *what) {
    siginfo_t info = {0};
    int status;
    EXPECT_EQ(state_of(zombies[kind]), 'Z', what);
    MUST(waitid(P_PID, zombies[kind], &info, WEXITED | WNOWAIT | WNOHANG));
    EXPECT_EQ(info.si_pid, zombies[kind], what);
    struct rusage usage;
    EXPECT_EQ(wait4(zombies[kind], &status, WNOHANG, &usage), zombies[kind], what);
    EXPECT_EQ(status, expected, what);
    MUST_FAIL(kill(zombies[kind], 0), ESRCH);
}

static void check(void) {
    EXPECT_EQ(told, 0, "the number of SIGCHLD that came since");
    expect_status(EXITED, 123 << 8, "a child that has exited");
    expect_status(KILLED, SIGKILL, "a child that was killed");
    expect_status(FAILED, SIGTERM, "a child that a signal has ended");
    expect_status(BUSY, 0, "a child that has worked");
    EXPECT_EQ(waitpid(-1, NULL, WNOHANG), 0, "more children that have ended");
    EXPECT_EQ(state_of(zombies[DEEP]), 'Z', "the child's child");
    deep->to_reap = true;
    EVENTUALLY(!deep->to_reap, "the holder does not run");
    EXPECT_EQ(deep->status, 77 << 8, "the status of the child's child");
    make_all();
}

static bool spoil(int way) {
    switch (way) {
    case 0: return waitpid(zombies[KILLED], NULL, 0) > 0;
    case 1: told++; return true;
    case 2: return kill(holder, SIGKILL) == 0;
    case 3: // another status
        waitpid(zombies[FAILED], NULL, 0), zombies[FAILED] = end_by(EXITED), told = 0;
        return true;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"zombies", set_up, check, spoil, NULL});
}
