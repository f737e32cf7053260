// A tree of processes, four deep: parents, groups, sessions; a group whose leader has ended, a session whose leader has
// ended, orphans. Waiting works in every parent.

#include "probe.h"
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILD, GRANDCHILD, GREAT_GRANDCHILD, SESSION_LEADER, IN_SESSION, GROUP_MEMBER, ORPHAN, ORPHAN_CHILD, LEADERLESS,
      COUNT };
static const char *const names[COUNT] = {
    "the child", "the grandchild", "the great-grandchild", "the leader of a session", "a member of that session",
    "a member of a group without leader", "the orphan", "the orphan's child", "a member of a session without leader"};

static struct facts {
    volatile pid_t pid, parent, group, session;
    volatile int asked, answered;
    volatile int to_end;
} *shared;
static pid_t main_pid;
static volatile int *grandchild_status;

static void note(int who) {
    shared[who].parent = getppid();
    shared[who].group = getpgid(0);
    shared[who].session = getsid(0);
    __sync_synchronize();
    shared[who].pid = getpid();
}

// Answers with what it sees now, until it is told to end.
static _Noreturn void live(int who) {
    for (;;) {
        if (shared[who].asked != shared[who].answered) {
            note(who);
            shared[who].answered = shared[who].asked;
        }
        if (shared[who].to_end) _exit(shared[who].to_end);
        probe_pause_ms(2);
    }
}

static void reap_grandchild(void) {
    // The child waits for the grandchild, again and again, and makes a new one.
    for (;;) {
        int status;
        pid_t grandchild = shared[GRANDCHILD].pid;
        if (shared[CHILD].asked != shared[CHILD].answered) {
            note(CHILD);
            shared[CHILD].answered = shared[CHILD].asked;
        }
        if (grandchild && waitpid(grandchild, &status, WNOHANG) == grandchild) {
            *grandchild_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
            pid_t next = fork();
            if (next == 0) {
                shared[GRANDCHILD].to_end = 0;
                note(GRANDCHILD);
                live(GRANDCHILD);
            }
        }
        probe_pause_ms(2);
    }
}

static void begin_tree(void) {
    note(CHILD);
    if (fork() == 0) {
        note(GRANDCHILD);
        if (fork() == 0) {
            setpgid(0, 0);
            note(GREAT_GRANDCHILD);
            live(GREAT_GRANDCHILD);
        }
        live(GRANDCHILD);
    }
    reap_grandchild();
}

static void begin_session(void) {
    setsid();
    note(SESSION_LEADER);
    if (fork() == 0) {
        note(IN_SESSION);
        live(IN_SESSION);
    }
    live(SESSION_LEADER);
}

// A group of which only a member is left, and a session likewise.
static void begin_leaderless(void) {
    setpgid(0, 0);
    if (fork() == 0) {
        note(GROUP_MEMBER);
        live(GROUP_MEMBER);
    }
    setsid();
    if (fork() == 0) {
        setsid();
        if (fork() == 0) {
            setpgid(0, 0);
            note(LEADERLESS);
            live(LEADERLESS);
        }
        _exit(0);
    }
    _exit(0);
}

static void begin_orphan(void) {
    if (fork() == 0) {
        note(ORPHAN);
        if (fork() == 0) {
            note(ORPHAN_CHILD);
            live(ORPHAN_CHILD);
        }
        live(ORPHAN);
    }
    _exit(0);
}

static struct facts expected[COUNT];

static void ask_all(void) {
    for (int i = 0; i < COUNT; i++) shared[i].asked++;
    for (int i = 0; i < COUNT; i++)
        EVENTUALLY(shared[i].answered == shared[i].asked, "%s does not answer", names[i]);
}

static void set_up(void) {
    main_pid = getpid();
    shared = probe_shared(COUNT * sizeof *shared + sizeof(int));
    grandchild_status = (int *)(shared + COUNT);
    void (*const begin[])(void) = {begin_tree, begin_session, begin_leaderless, begin_orphan};
    pid_t children[4];
    for (int i = 0; i < 4; i++) {
        children[i] = MUST(fork());
        if (children[i] == 0) begin[i]();
    }
    for (int i = 2; i < 4; i++) EXPECT_EQ(waitpid(children[i], NULL, 0), children[i], "waitpid");
    for (int i = 0; i < COUNT; i++) EVENTUALLY(shared[i].pid, "%s does not start", names[i]);
    probe_pause_ms(10); // until every orphan has its new parent
    ask_all();
    memcpy(expected, shared, sizeof expected);
    EXPECT_EQ(expected[ORPHAN].parent, 1, "the parent of an orphan");
    EXPECT_EQ(expected[LEADERLESS].parent, 1, "the parent of a member of a session without leader");
}

static void expect_same(int who) {
    char what[120];
    static const char *const facts[] = {"number", "parent", "group", "session"};
    pid_t now[] = {shared[who].pid, shared[who].parent, shared[who].group, shared[who].session};
    pid_t before[] = {expected[who].pid, expected[who].parent, expected[who].group, expected[who].session};
    for (int i = 0; i < 4; i++) {
        snprintf(what, sizeof what, "the %s of %s", facts[i], names[who]);
        EXPECT_EQ(now[i], before[i], what);
    }
    EXPECT_EQ(getsid(shared[who].pid), expected[who].session, "its session, seen from the main process");
    EXPECT_EQ(getpgid(shared[who].pid), expected[who].group, "its group, seen from the main process");
}

static void check(void) {
    ask_all();
    for (int i = 0; i < COUNT; i++) expect_same(i);
    EXPECT_EQ(expected[CHILD].parent, main_pid, "the child's parent");
    EXPECT_EQ(waitpid(-1, NULL, WNOHANG), 0, "children that have ended");
    MUST_FAIL(waitpid(expected[ORPHAN].pid, NULL, WNOHANG), ECHILD);
    // A signal to a group reaches its members, wherever they are.
    MUST(kill(-expected[GREAT_GRANDCHILD].group, 0));
    MUST(kill(-expected[GROUP_MEMBER].group, 0));
    MUST(kill(-expected[LEADERLESS].group, 0));
    // The grandchild ends; its parent reaps it and starts another one; its own child becomes an orphan.
    pid_t former = shared[GRANDCHILD].pid;
    *grandchild_status = 0;
    shared[GRANDCHILD].to_end = 42;
    EVENTUALLY(*grandchild_status, "the child does not reap the grandchild");
    EXPECT_EQ(*grandchild_status, 42, "the exit status of the grandchild");
    EVENTUALLY(shared[GRANDCHILD].pid != former, "there is no new grandchild");
    ask_all();
    EXPECT_EQ(shared[GREAT_GRANDCHILD].parent, 1, "the parent of the great-grandchild, an orphan now");
    EXPECT_EQ(shared[GRANDCHILD].parent, expected[CHILD].pid, "the parent of the new grandchild");
    memcpy(expected, shared, sizeof expected);
}

static bool spoil(int way) {
    switch (way) {
    case 0: return setpgid(expected[CHILD].pid, expected[CHILD].pid) == 0;
    case 1: return kill(expected[ORPHAN].pid, SIGKILL) == 0;
    case 2: return kill(expected[SESSION_LEADER].pid, SIGKILL) == 0;
    case 3: expected[LEADERLESS].session++; return true;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"process_tree", set_up, check, spoil, NULL});
}
