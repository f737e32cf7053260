#define _GNU_SOURCE
#include "ck_ipc.h"
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

// The caller of semctl(2) has to declare it.
union semun {
    int val;
    struct semid_ds *buf;
    unsigned short *array;
};

int ck_shmget(int key, size_t size, int flags) { return shmget(key, size, flags); }

void *ck_shmat(int id, int is_read_only) {
    void *address = shmat(id, NULL, is_read_only ? SHM_RDONLY : 0);
    return address == (void *)-1 ? NULL : address;
}

int ck_shmdt(const void *address) { return shmdt(address); }

int ck_shm_set(int id, uid_t owner, gid_t group, unsigned mode) {
    struct shmid_ds facts = {.shm_perm = {.uid = owner, .gid = group, .mode = mode}};
    return shmctl(id, IPC_SET, &facts);
}

int ck_shm_lock(int id) { return shmctl(id, SHM_LOCK, NULL); }

int ck_shm_remove(int id) { return shmctl(id, IPC_RMID, NULL); }

int ck_semget(int key, int count, int flags) { return semget(key, count, flags); }

int ck_sem_get_all(int id, unsigned short *values) {
    return semctl(id, 0, GETALL, (union semun){.array = values});
}

int ck_sem_set_all(int id, const unsigned short *values) {
    return semctl(id, 0, SETALL, (union semun){.array = (unsigned short *)values});
}

int ck_sem_set(int id, uid_t owner, gid_t group, unsigned mode) {
    struct semid_ds facts = {.sem_perm = {.uid = owner, .gid = group, .mode = mode}};
    return semctl(id, 0, IPC_SET, (union semun){.buf = &facts});
}

int ck_msgget(int key, int flags) { return msgget(key, flags); }

size_t ck_msg_capacity(int id) {
    struct msqid_ds facts;
    return msgctl(id, IPC_STAT, &facts) == 0 ? facts.msg_qbytes : 0;
}

int ck_msg_set(int id, uid_t owner, gid_t group, unsigned mode, size_t capacity) {
    struct msqid_ds facts = {.msg_perm = {.uid = owner, .gid = group, .mode = mode}, .msg_qbytes = capacity};
    return msgctl(id, IPC_SET, &facts);
}

ssize_t ck_msg_copy(int id, void *message, size_t size, long number) {
    return msgrcv(id, message, size, number, MSG_COPY | IPC_NOWAIT);
}

int ck_msgsnd(int id, const void *message, size_t size) { return msgsnd(id, message, size, IPC_NOWAIT); }

int ck_mincore(const void *address, size_t size, unsigned char *pages) {
    return mincore((void *)address, size, pages);
}
