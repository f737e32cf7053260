// Threads that wait in locks of the C library: mutex, condition variable, semaphore, barrier, read-write lock, priority
// inheritance. Nobody wakes up early, and each wakes up when it is its turn.

#include "probe.h"
#include <pthread.h>
#include <semaphore.h>

enum { MUTEX, CONDITION, SEMAPHORE, BARRIER, READER, INHERITING, TIMED, KINDS };
static const char *const kinds[KINDS] = {
    "a mutex", "a condition variable", "a semaphore", "a barrier", "a read-write lock", "a priority-inheriting mutex",
    "a semaphore with a time limit"};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER, guard = PTHREAD_MUTEX_INITIALIZER, inheriting;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t barrier;
static sem_t semaphore, timed;
static volatile bool may_pass;
static volatile int closed; // how often the main thread has closed all again
static volatile int passed[KINDS], entering[KINDS], mistakes[KINDS];

static int wait_in(int kind) {
    struct timespec late;
    switch (kind) {
    case MUTEX: return pthread_mutex_lock(&mutex) || pthread_mutex_unlock(&mutex);
    case CONDITION: {
        pthread_mutex_lock(&guard);
        while (!may_pass) pthread_cond_wait(&condition, &guard);
        may_pass = false;
        return pthread_mutex_unlock(&guard);
    }
    case SEMAPHORE: return sem_wait(&semaphore);
    case BARRIER: return pthread_barrier_wait(&barrier) > 0;
    case READER: return pthread_rwlock_rdlock(&lock) || pthread_rwlock_unlock(&lock);
    case INHERITING: return pthread_mutex_lock(&inheriting) || pthread_mutex_unlock(&inheriting);
    default:
        clock_gettime(CLOCK_REALTIME, &late);
        late.tv_sec += 100000;
        return sem_timedwait(&timed, &late);
    }
}

static void *sit(void *argument) {
    int kind = (int)(intptr_t)argument;
    for (;;) {
        entering[kind]++;
        if (wait_in(kind) != 0) mistakes[kind]++;
        passed[kind]++;
        // Until the main thread holds the lock again.
        while (closed < passed[kind]) probe_pause_ms(1);
    }
    return NULL;
}

static void close_all(void) {
    MUST_ZERO(pthread_mutex_lock(&mutex));
    MUST_ZERO(pthread_mutex_lock(&inheriting));
    MUST_ZERO(pthread_rwlock_wrlock(&lock));
}

static void open_all(void) {
    MUST_ZERO(pthread_mutex_unlock(&mutex));
    MUST_ZERO(pthread_mutex_unlock(&inheriting));
    MUST_ZERO(pthread_rwlock_unlock(&lock));
    MUST_ZERO(pthread_mutex_lock(&guard));
    may_pass = true;
    MUST_ZERO(pthread_cond_signal(&condition));
    MUST_ZERO(pthread_mutex_unlock(&guard));
    MUST(sem_post(&semaphore));
    MUST(sem_post(&timed));
    int result = pthread_barrier_wait(&barrier);
    EXPECT(result == 0 || result == PTHREAD_BARRIER_SERIAL_THREAD, "pthread_barrier_wait: %s", strerror(result));
}

static void set_up(void) {
    pthread_mutexattr_t attributes;
    MUST_ZERO(pthread_mutexattr_init(&attributes));
    MUST_ZERO(pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT));
    MUST_ZERO(pthread_mutex_init(&inheriting, &attributes));
    MUST_ZERO(pthread_barrier_init(&barrier, NULL, 2));
    MUST(sem_init(&semaphore, 0, 0));
    MUST(sem_init(&timed, 0, 0));
    close_all();
    for (int i = 0; i < KINDS; i++) {
        pthread_t thread;
        MUST_ZERO(pthread_create(&thread, NULL, sit, (void *)(intptr_t)i));
    }
    probe_pause_ms(20);
}

static int rounds;

static void check(void) {
    for (int i = 0; i < KINDS; i++) {
        EVENTUALLY(entering[i] == rounds + 1, "the thread in %s is not there", kinds[i]);
        EXPECT_EQ(passed[i], rounds, kinds[i]);
        EXPECT_EQ(mistakes[i], 0, kinds[i]);
    }
    rounds++;
    open_all();
    for (int i = 0; i < KINDS; i++)
        EVENTUALLY(passed[i] == rounds, "the thread in %s does not wake up", kinds[i]);
    close_all();
    closed = rounds;
    for (int i = 0; i < KINDS; i++) EVENTUALLY(entering[i] == rounds + 1, "the thread in %s is stuck", kinds[i]);
    probe_pause_ms(10);
}

static bool spoil(int way) {
    switch (way) {
    case 0: sem_post(&semaphore); return true;
    case 1: pthread_mutex_unlock(&mutex), probe_pause_ms(20); return true;
    case 2: mistakes[TIMED]++; return true;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"futexes", set_up, check, spoil, NULL});
}
