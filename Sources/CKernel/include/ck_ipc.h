// System V shared memory, semaphores and message queues, of the calling thread's ipc namespace.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

int ck_shmget(int key, size_t size, int flags);
// NULL on failure.
void *ck_shmat(int id, int is_read_only);
int ck_shmdt(const void *address);
int ck_shm_set(int id, uid_t owner, gid_t group, unsigned mode);
int ck_shm_lock(int id);
int ck_shm_remove(int id);

int ck_semget(int key, int count, int flags);
int ck_sem_get_all(int id, unsigned short *values);
int ck_sem_set_all(int id, const unsigned short *values);
int ck_sem_set(int id, uid_t owner, gid_t group, unsigned mode);

int ck_msgget(int key, int flags);
// The size of a queue; 0 on failure.
size_t ck_msg_capacity(int id);
int ck_msg_set(int id, uid_t owner, gid_t group, unsigned mode, size_t capacity);
// A message begins with its type, a long. Copies the one with a number, counted from 0, and leaves it there; its size without the type.
ssize_t ck_msg_copy(int id, void *message, size_t size, long number);
int ck_msgsnd(int id, const void *message, size_t size);

// One byte for each page, bit 0 for being in memory.
int ck_mincore(const void *address, size_t size, unsigned char *pages);
