// What a process has asked the kernel to do for its relatives: to adopt orphans, and to signal it when its parent dies.

#include "probe.h"
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
    volatile pid_t orphan, mourner;
    volatile int mourned, orphan_parent, asked;
} *shared;
static pid_t parent_of_mourner;

static void on_death(int signal) {
    shared->mourned++;
}

static _Noreturn void mourn(void) {
    signal(SIGUSR1, on_death);
    prctl(PR_SET_PDEATHSIG, SIGUSR1);
    shared->mourner = getpid();
    for (;;) pause();
}

// A process that will be orphaned by its parent's end, and tells whose child it is then.
static _Noreturn void be_orphan(void) {
    shared->orphan = getpid();
    for (;;) {
        if (shared->asked) shared->orphan_parent = getppid(), shared->asked = 0;
        probe_pause_ms(2);
    }
}

static void start(void) {
    shared->mourner = shared->orphan = 0;
    parent_of_mourner = MUST(fork());
    if (parent_of_mourner == 0) {
        if (fork() == 0) mourn();
        if (fork() == 0) be_orphan();
        for (;;) pause();
    }
    EVENTUALLY(shared->mourner && shared->orphan, "the children do not start");
}

static void set_up(void) {
    shared = probe_shared(sizeof *shared);
    MUST(prctl(PR_SET_CHILD_SUBREAPER, 1));
    start();
}

static int deaths;

static void check(void) {
    int adopts = 0;
    MUST(prctl(PR_GET_CHILD_SUBREAPER, &adopts));
    EXPECT_EQ(adopts, 1, "whether it adopts orphans");
    EXPECT_EQ(shared->mourned, deaths, "the signals that told of a death");
    MUST(kill(parent_of_mourner, SIGKILL));
    EXPECT_EQ(waitpid(parent_of_mourner, NULL, 0), parent_of_mourner, "waitpid");
    EVENTUALLY(shared->mourned == deaths + 1, "the death of the parent is not told");
    deaths++;
    shared->asked = 1;
    EVENTUALLY(!shared->asked, "the orphan does not run");
    EXPECT_EQ(shared->orphan_parent, getpid(), "the parent of the orphan");
    for (int i = 0; i < 2; i++) {
        pid_t adopted = i ? shared->orphan : shared->mourner;
        MUST(kill(adopted, SIGKILL));
        EXPECT_EQ(waitpid(adopted, NULL, 0), adopted, "waitpid for an adopted child");
    }
    start();
}

static bool spoil(int way) {
    switch (way) {
    case 0: return prctl(PR_SET_CHILD_SUBREAPER, 0) == 0;
    case 1: kill(shared->mourner, SIGUSR1); return true;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"relations", set_up, check, spoil, NULL});
}
