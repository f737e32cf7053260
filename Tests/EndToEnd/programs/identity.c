// Who a process is and what it may: users, groups, capabilities, no_new_privs, limits, niceness, umask, scheduling.
// Most of it is in /proc and so compared by every program; this one sets all of it to values that no process has by
// default.

#include "probe.h"
#include <grp.h>
#include <linux/capability.h>
#include <linux/ioprio.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
    int resource;
    struct rlimit limit;
} limits[] = {
    {RLIMIT_NOFILE, {300, 2000}}, {RLIMIT_STACK, {4 << 20, 16 << 20}}, {RLIMIT_DATA, {1ul << 40, 1ul << 41}},
    {RLIMIT_FSIZE, {1ul << 33, 1ul << 34}}, {RLIMIT_CPU, {12345, 67890}}, {RLIMIT_SIGPENDING, {50, 100}}};

static void set_capabilities(uint32_t effective, uint32_t permitted, uint32_t inheritable) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2] = {{effective, permitted, inheritable}};
    MUST(syscall(SYS_capset, &header, sets));
}

// An ordinary user with four different user ids.

static void set_up_user(void) {
    gid_t groups[] = {300, 100, 200};
    MUST(setgroups(3, groups));
    MUST(setresgid(1001, 1002, 1003));
    MUST(prctl(PR_SET_KEEPCAPS, 1));
    MUST(setresuid(2001, 2002, 2003));
    MUST(prctl(PR_SET_KEEPCAPS, 0));
    set_capabilities(1 << CAP_SETUID, 1 << CAP_SETUID | 1 << CAP_CHOWN, 0);
    setfsuid(2003);
    MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    MUST(prctl(PR_SET_DUMPABLE, 0));
}

static void check_user(void) {
    uid_t users[3];
    gid_t groups[4];
    MUST(getresuid(&users[0], &users[1], &users[2]));
    EXPECT(users[0] == 2001 && users[1] == 2002 && users[2] == 2003, "the user is %d %d %d", users[0], users[1],
           users[2]);
    MUST(getresgid(&groups[0], &groups[1], &groups[2]));
    EXPECT(groups[0] == 1001 && groups[1] == 1002 && groups[2] == 1003, "the group is %d %d %d", groups[0], groups[1],
           groups[2]);
    EXPECT_EQ(getgroups(4, groups), 3, "the number of groups");
    EXPECT_EQ(setfsuid(-1), 2003, "the user for files");
    EXPECT_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1, "no_new_privs");
    EXPECT_EQ(prctl(PR_GET_DUMPABLE), 0, "dumpable");
    MUST_FAIL(setgid(0), EPERM);
}

// Root with few capabilities, one of them ambient, and changed rules.

static void set_up_capable(void) {
    MUST(prctl(PR_CAPBSET_DROP, CAP_MKNOD));
    MUST(prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP | SECBIT_NOROOT));
    uint32_t all = 1 << CAP_NET_BIND_SERVICE | 1 << CAP_KILL | 1 << CAP_SETPCAP;
    set_capabilities(1 << CAP_KILL, all, 1 << CAP_NET_BIND_SERVICE);
    MUST(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0));
}

static void check_capable(void) {
    EXPECT_EQ(prctl(PR_GET_SECUREBITS), SECBIT_NO_SETUID_FIXUP | SECBIT_NOROOT, "the secure bits");
    EXPECT_EQ(prctl(PR_CAPBSET_READ, CAP_MKNOD), 0, "a capability of the bounding set");
    EXPECT_EQ(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_NET_BIND_SERVICE, 0, 0), 1, "the ambient capability");
    EXPECT_EQ(prctl(PR_GET_DUMPABLE), 1, "dumpable");
}

static void set_up(void) {
    probe_fork_role("user", set_up_user, check_user, NULL);
    probe_fork_role("capable", set_up_capable, check_capable, NULL);
    for (unsigned i = 0; i < sizeof limits / sizeof *limits; i++) MUST(setrlimit(limits[i].resource, &limits[i].limit));
    umask(0137);
    MUST(setpriority(PRIO_PROCESS, 0, 7));
    MUST(sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){0}));
    MUST(syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 6)));
    MUST(prctl(PR_SET_TIMERSLACK, 123456));
    MUST(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
    MUST(prctl(PR_SET_NAME, "a) R 1 (odd\n"));
    probe_write("/proc/self/oom_score_adj", "321");
    probe_write("/proc/self/coredump_filter", "0x13");
    MUST(prctl(PR_SET_TSC, PR_TSC_ENABLE));
    cpu_set_t first;
    CPU_ZERO(&first);
    CPU_SET(0, &first);
    MUST(sched_setaffinity(0, sizeof first, &first));
}

static void check(void) {
    char name[17] = "";
    for (unsigned i = 0; i < sizeof limits / sizeof *limits; i++) {
        struct rlimit limit;
        MUST(getrlimit(limits[i].resource, &limit));
        EXPECT_EQ(limit.rlim_cur, limits[i].limit.rlim_cur, "a soft limit");
        EXPECT_EQ(limit.rlim_max, limits[i].limit.rlim_max, "a hard limit");
    }
    mode_t mask = umask(0137);
    EXPECT_EQ(mask, 0137, "the umask");
    EXPECT_EQ(getpriority(PRIO_PROCESS, 0), 7, "the niceness");
    EXPECT_EQ(sched_getscheduler(0), SCHED_BATCH, "the scheduling policy");
    EXPECT_EQ(syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0), IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 6),
              "the priority of input and output");
    EXPECT_EQ(prctl(PR_GET_TIMERSLACK), 123456, "the timer slack");
    EXPECT_EQ(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0), 1, "whether huge pages are off");
    MUST(prctl(PR_GET_NAME, name));
    EXPECT_TEXT(name, "a) R 1 (odd\n", "the name");
    cpu_set_t processors;
    MUST(sched_getaffinity(0, sizeof processors, &processors));
    EXPECT_EQ(CPU_COUNT(&processors), 1, "the number of allowed processors");
}

static bool spoil(int way) {
    switch (way) {
    case 0: umask(022); return true;
    case 1: return setpriority(PRIO_PROCESS, 0, 8) == 0;
    case 2: return setrlimit(RLIMIT_NOFILE, &(struct rlimit){299, 2000}) == 0;
    case 3: return prctl(PR_SET_TIMERSLACK, 50000) == 0;
    case 4: return setgroups(1, (gid_t[]){7}) == 0;
    case 5: return prctl(PR_CAPBSET_DROP, CAP_MKNOD) == 0;
    case 6: return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
    case 7: return sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){0}) == 0;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"identity", set_up, check, spoil, NULL});
}
