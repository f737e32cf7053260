// System V shared memory: attached by two processes, found by key and by id, marked for removal but attached,
// unattached.

#include "probe.h"
#include <sys/ipc.h>
#include <sys/shm.h>
#include <unistd.h>

#define PAGE 4096
#define KEY 0x15015015
#define LONELY_KEY 0x15015016

static struct exchange *exchange;
static volatile uint64_t *shared, *removed;
static uint64_t asked;
static int id, removed_id, lonely_id;

static void answer(void) {
    if (!exchange_is_open(exchange)) return;
    shared[1] = shared[0] + 7;
    removed[1] = removed[0] + 7;
    exchange_answer(exchange);
}

static void set_up_child(void) {}
static void check_child(void) {
    EXPECT_EQ(shared[3 * PAGE / 8], 31, "the last page");
}

static void set_up(void) {
    exchange = probe_shared(sizeof *exchange);
    id = MUST(shmget(KEY, 4 * PAGE, IPC_CREAT | 0640));
    removed_id = MUST(shmget(IPC_PRIVATE, PAGE, IPC_CREAT | 0600));
    lonely_id = MUST(shmget(LONELY_KEY, PAGE, IPC_CREAT | 0604));
    shared = MUST(shmat(id, NULL, 0));
    shared[0] = shared[1] = 0;
    shared[3 * PAGE / 8] = 31;
    removed = MUST(shmat(removed_id, NULL, 0));
    MUST(shmctl(removed_id, IPC_RMID, NULL));
    char *lonely = MUST(shmat(lonely_id, NULL, 0));
    strcpy(lonely, "nobody is attached");
    MUST(shmdt(lonely));
    probe_fork_role("child", set_up_child, check_child, answer);
}

static void check(void) {
    EXPECT_EQ(shared[0], asked, "the counter");
    EXPECT_EQ(removed[0], asked, "the counter in the segment marked for removal");
    shared[0] = removed[0] = ++asked;
    exchange_ask(exchange);
    EXPECT_EQ(shared[1], asked + 7, "the child's answer");
    EXPECT_EQ(removed[1], asked + 7, "the child's answer in the segment marked for removal");
    EXPECT_EQ(MUST(shmget(KEY, 4 * PAGE, 0)), id, "the segment found by its key");
    struct shmid_ds facts;
    MUST(shmctl(id, IPC_STAT, &facts));
    EXPECT_EQ(facts.shm_nattch, 2, "the number of attachments");
    EXPECT_EQ(facts.shm_perm.mode & 0777, 0640, "the segment's mode");
    EXPECT_EQ(facts.shm_segsz, 4 * PAGE, "the segment's size");
    MUST(shmctl(removed_id, IPC_STAT, &facts));
    EXPECT(facts.shm_perm.mode & SHM_DEST, "the removed segment is not marked for removal any more");
    uint64_t *again = MUST(shmat(id, NULL, SHM_RDONLY));
    EXPECT_EQ(again[0], asked, "the counter in a new attachment");
    MUST(shmdt(again));
    EXPECT_EQ(MUST(shmget(LONELY_KEY, PAGE, 0)), lonely_id, "the unattached segment found by its key");
    char *lonely = MUST(shmat(lonely_id, NULL, 0));
    EXPECT_TEXT(lonely, "nobody is attached", "the unattached segment");
    MUST(shmdt(lonely));
}

static bool spoil(int way) {
    switch (way) {
    case 0: shmctl(lonely_id, IPC_RMID, NULL); return true;
    case 1: shmdt((void *)shared), shared = (uint64_t *)exchange; return true;
    case 2: shmctl(id, IPC_RMID, NULL); return true;
    case 3: shmat(id, NULL, 0); return true;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"sysv_shm", set_up, check, spoil, NULL});
}
