// Stopped processes: one whose parent knows, one whose parent has yet to ask. They stay stopped, and go on when told.

#include "probe.h"
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile struct {
    int turns[2];
} *shared;
static pid_t children[2];
static volatile int told;

static void count(int signal) {
    told++;
}

static char state_of(pid_t pid) {
    char path[64], text[600];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    probe_read(path, text, sizeof text);
    return strrchr(text, ')')[2];
}

static void stop(int number) {
    MUST(kill(children[number], SIGSTOP));
    EVENTUALLY(state_of(children[number]) == 'T', "child %d does not stop", number);
}

static void take_stop(int number) {
    int status = 0;
    EXPECT_EQ(waitpid(children[number], &status, WUNTRACED | WNOHANG), children[number], "the news of a stopped child");
    EXPECT(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP, "the status %#x is not that of a stop", status);
}

static void set_up(void) {
    shared = probe_shared(sizeof *shared);
    signal(SIGCHLD, count);
    for (int i = 0; i < 2; i++) {
        children[i] = MUST(fork());
        if (children[i] == 0)
            for (signal(SIGCHLD, SIG_DFL);; probe_pause_ms(1)) shared->turns[i]++;
    }
    probe_pause_ms(5);
    stop(0);
    take_stop(0); // no more news of it from here on
    stop(1);      // of this one the news is still to be taken
    told = 0;
}

static void check(void) {
    int status;
    EXPECT_EQ(told, 0, "the number of SIGCHLD that came since");
    for (int i = 0; i < 2; i++) EXPECT_EQ(state_of(children[i]), 'T', "the state of a stopped child");
    int before[2] = {shared->turns[0], shared->turns[1]};
    probe_pause_ms(5);
    for (int i = 0; i < 2; i++) EXPECT_EQ(shared->turns[i], before[i], "the turns of a stopped child");
    EXPECT_EQ(waitpid(children[0], &status, WUNTRACED | WNOHANG), 0, "news of the child whose stop is known");
    take_stop(1);
    for (int i = 0; i < 2; i++) {
        MUST(kill(children[i], SIGCONT));
        EVENTUALLY(shared->turns[i] > before[i], "child %d does not go on", i);
        EXPECT_EQ(waitpid(children[i], &status, WCONTINUED | WNOHANG), children[i], "the news of a continued child");
        EXPECT(WIFCONTINUED(status), "the status %#x is not that of a continued child", status);
    }
    stop(0);
    take_stop(0);
    stop(1);
    told = 0;
}

static bool spoil(int way) {
    switch (way) {
    case 0: kill(children[0], SIGCONT); return true;
    case 1: take_stop(1); return true;
    case 2: // as a restore that stops it once more
        kill(children[0], SIGCONT), probe_pause_ms(5), stop(0), told = 0;
        return true;
    case 3: told++; return true;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"stopped", set_up, check, spoil, NULL});
}
