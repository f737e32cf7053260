// What the kernel shares with a process without a system call: the vdso's clocks, and restartable sequences (rseq).

#include "probe.h"
#include <pthread.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static struct timespec last_monotonic, last_real;
static volatile int other_asked, other_answer = -2;

static int64_t nanoseconds(struct timespec time) {
    return time.tv_sec * 1000000000ll + time.tv_nsec;
}

// The processor's number as restartable sequences tell it: negative when they are not registered.
static int processor_by_rseq(void) {
    struct rseq *area = (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
    return __rseq_size == 0 ? -1 : (int)*(volatile uint32_t *)&area->cpu_id;
}

// Whether the kernel keeps rseq's number up to date: it must follow the thread from processor to processor.
static bool rseq_follows(void) {
    cpu_set_t allowed, one;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return false;
    bool follows = true;
    for (int processor = 0; processor < CPU_SETSIZE; processor++) {
        if (!CPU_ISSET(processor, &allowed)) continue;
        CPU_ZERO(&one);
        CPU_SET(processor, &one);
        if (sched_setaffinity(0, sizeof one, &one) != 0) return false;
        if (processor_by_rseq() != processor || sched_getcpu() != processor) follows = false;
    }
    return sched_setaffinity(0, sizeof allowed, &allowed) == 0 && follows;
}

static void *other(void *unused) {
    for (;;) {
        if (other_asked) {
            other_answer = rseq_follows();
            other_asked = 0;
        }
        probe_pause_ms(2);
    }
    return NULL;
}

static void set_up(void) {
    clock_gettime(CLOCK_MONOTONIC, &last_monotonic);
    clock_gettime(CLOCK_REALTIME, &last_real);
    pthread_t thread;
    MUST_ZERO(pthread_create(&thread, NULL, other, NULL));
}

static void check(void) {
    struct timespec by_vdso, by_kernel, real;
    MUST(clock_gettime(CLOCK_MONOTONIC, &by_vdso));
    MUST(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &by_kernel));
    int64_t apart = nanoseconds(by_kernel) - nanoseconds(by_vdso);
    EXPECT(apart >= 0 && apart < 1000000000, "the vdso's clock and the kernel's are %lld ns apart", (long long)apart);
    EXPECT(nanoseconds(by_vdso) >= nanoseconds(last_monotonic), "the monotonic clock has gone backwards");
    MUST(clock_gettime(CLOCK_REALTIME, &real));
    EXPECT(nanoseconds(real) >= nanoseconds(last_real) - 1000000000, "the real-time clock has gone backwards");
    EXPECT(time(NULL) - real.tv_sec <= 1, "the vdso's time() tells another time");
    last_monotonic = by_vdso;
    last_real = real;
    unsigned processor;
    MUST(syscall(SYS_getcpu, &processor, NULL, NULL));
    EXPECT(getauxval(AT_SYSINFO_EHDR) != 0, "there is no vdso");
    EXPECT_EQ(memcmp((void *)getauxval(AT_SYSINFO_EHDR), "\177ELF", 4), 0,
              "the vdso is not where the auxiliary vector says");
    EXPECT(rseq_follows(), "restartable sequences do not follow the main thread");
    other_asked = 1;
    EVENTUALLY(!other_asked, "the other thread does not run");
    EXPECT(other_answer == 1, "restartable sequences do not follow the other thread");
}

static bool spoil(int way) {
    switch (way) {
    case 0: last_monotonic.tv_sec += 1000; return true;
    case 1: // unregistered, as a restore leaves it that forgets to register
        syscall(SYS_rseq, (char *)__builtin_thread_pointer() + __rseq_offset, 32, 1, RSEQ_SIG);
        return true;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"clocks", set_up, check, spoil, NULL});
}
