// Robust mutexes: the list that the kernel walks at a thread's death is the thread's own again, in every process.

#include "probe.h"
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
    pthread_mutex_t by_process, by_thread;
    volatile bool is_held, thread_may_end, forget;
} *shared;
static pid_t holder;
static pthread_t thread;

static _Noreturn void hold(void) {
    pthread_mutex_lock(&shared->by_process);
    shared->is_held = true;
    for (;;) {
        probe_pause_ms(2);
        if (!shared->forget) continue;
        // As a restore does that knows nothing of these lists.
        static struct robust_list_head empty = {.list = {&empty.list}};
        syscall(SYS_set_robust_list, &empty, sizeof empty);
        shared->forget = false;
    }
}

static void *hold_in_thread(void *unused) {
    pthread_mutex_lock(&shared->by_thread);
    shared->is_held = true;
    while (!shared->thread_may_end) probe_pause_ms(1);
    return NULL;
}

static void start(void) {
    shared->is_held = false;
    holder = MUST(fork());
    if (holder == 0) hold();
    EVENTUALLY(shared->is_held, "the process does not get the mutex");
    shared->is_held = shared->thread_may_end = false;
    MUST_ZERO(pthread_create(&thread, NULL, hold_in_thread, NULL));
    EVENTUALLY(shared->is_held, "the thread does not get the mutex");
}

static void set_up(void) {
    shared = probe_shared(sizeof *shared);
    pthread_mutexattr_t attributes;
    MUST_ZERO(pthread_mutexattr_init(&attributes));
    MUST_ZERO(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST));
    MUST_ZERO(pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED));
    MUST_ZERO(pthread_mutex_init(&shared->by_process, &attributes));
    MUST_ZERO(pthread_mutex_init(&shared->by_thread, &attributes));
    start();
}

// The owner dies; the next one is told so.
static void inherit(pthread_mutex_t *mutex, const char *what) {
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += 5;
    int result = pthread_mutex_timedlock(mutex, &deadline);
    EXPECT(result == EOWNERDEAD, "%s: expected EOWNERDEAD, got %s", what, strerror(result));
    MUST_ZERO(pthread_mutex_consistent(mutex));
    MUST_ZERO(pthread_mutex_unlock(mutex));
}

static void check(void) {
    EXPECT_EQ(pthread_mutex_trylock(&shared->by_process), EBUSY, "the mutex that the process holds");
    EXPECT_EQ(pthread_mutex_trylock(&shared->by_thread), EBUSY, "the mutex that the thread holds");
    MUST(kill(holder, SIGKILL));
    inherit(&shared->by_process, "the mutex of a killed process");
    EXPECT_EQ(waitpid(holder, NULL, 0), holder, "waitpid");
    shared->thread_may_end = true;
    MUST_ZERO(pthread_join(thread, NULL));
    inherit(&shared->by_thread, "the mutex of a thread that has ended");
    start();
}

static bool spoil(int way) {
    if (way > 0) return false;
    shared->forget = true;
    EVENTUALLY(!shared->forget, "the process does not forget");
    return true;
}

int main(void) {
    probe_main(&(struct probe){"robust_mutex", set_up, check, spoil, NULL});
}
