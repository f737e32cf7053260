// System V semaphores: a set found by key and by number, its values and mode, a process that waits in semop, and one that
// waits with a time limit.

#include "probe.h"
#include <sys/ipc.h>
#include <sys/sem.h>
#include <time.h>
#include <unistd.h>

#define KEY 0x15015017
#define COUNT 5
#define MINUTES 600

// The caller of semctl has to declare it.
union semun {
    int val;
    struct semid_ds *buf;
    unsigned short *array;
};

enum { VALUE, LARGE, GATE, TIMED_GATE, PASSED };

static int id, private_id;
static unsigned short rounds;

static void change(int semaphore, short by) {
    struct sembuf operation = {.sem_num = semaphore, .sem_op = by};
    MUST(semop(id, &operation, 1));
}

static int value(int semaphore) { return MUST(semctl(id, semaphore, GETVAL)); }

// One child waits at each gate, and counts every time it gets through.
static void wait_at_gates(bool is_timed) {
    if (fork() != 0) return;
    for (;;) {
        struct sembuf operation = {.sem_num = is_timed ? TIMED_GATE : GATE, .sem_op = -1};
        struct timespec limit = {.tv_sec = MINUTES * 60};
        int result = is_timed ? semtimedop(id, &operation, 1, &limit) : semop(id, &operation, 1);
        struct sembuf passed = {.sem_num = PASSED, .sem_op = result == 0 ? 1 : 100};
        if (semop(id, &passed, 1) != 0) _exit(1);
    }
}

static void set_up(void) {
    id = MUST(semget(KEY, COUNT, IPC_CREAT | 0640));
    private_id = MUST(semget(IPC_PRIVATE, 1, IPC_CREAT | 0600));
    unsigned short values[COUNT] = {3, 32000, 0, 0, 0};
    MUST(semctl(id, 0, SETALL, (union semun){.array = values}));
    MUST(semctl(private_id, 0, SETVAL, (union semun){.val = 9}));
    wait_at_gates(false);
    wait_at_gates(true);
}

static void check(void) {
    EXPECT_EQ(MUST(semget(KEY, COUNT, 0)), id, "the set found by its key");
    EXPECT_EQ(value(VALUE), 3, "a value");
    EXPECT_EQ(value(LARGE), 32000, "a large value");
    EXPECT_EQ(MUST(semctl(private_id, 0, GETVAL)), 9, "the value in the set without a key");
    struct semid_ds facts;
    MUST(semctl(id, 0, IPC_STAT, (union semun){.buf = &facts}));
    EXPECT_EQ(facts.sem_perm.mode & 0777, 0640, "the set's mode");
    EXPECT_EQ(facts.sem_nsems, COUNT, "how many there are in the set");
    EVENTUALLY(MUST(semctl(id, GATE, GETNCNT)) == 1, "nobody waits at the gate");
    EVENTUALLY(MUST(semctl(id, TIMED_GATE, GETNCNT)) == 1, "nobody waits at the gate with a time limit");
    EXPECT_EQ(value(PASSED), rounds * 2, "how often the gates were passed");
    change(GATE, 1);
    change(TIMED_GATE, 1);
    rounds++;
    EVENTUALLY(value(PASSED) == rounds * 2, "the gates are not passed");
}

static bool spoil(int way) {
    switch (way) {
    case 0: change(VALUE, 1); return true;
    case 1: semctl(id, 0, IPC_RMID); return true;
    case 2: semctl(private_id, 0, IPC_RMID); return true;
    case 3: rounds++; return true;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"sysv_semaphores", set_up, check, spoil, NULL});
}
