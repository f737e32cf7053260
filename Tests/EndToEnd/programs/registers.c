// What threads hold in registers while they compute: general, x87, SSE, AVX, AVX-512, and the control words.

#include "probe.h"
#include <pthread.h>
#include <time.h>

static volatile bool stop;
static volatile long turns[4], fault[4];

// Known values stay in the registers during a system call that the compiler knows nothing of (nanosleep), and then
// during a loop; a changed one is noted.
__attribute__((used)) static const struct timespec moment = {.tv_nsec = 5000000};
#define STAY                                                                      \
    "mov $35, %%eax\n lea moment(%%rip), %%rdi\n xor %%esi, %%esi\n syscall\n"    \
    "mov $100000, %%rcx\n"                                                        \
    "1: dec %%rcx\n jnz 1b\n"
#define STAY_CHANGES "rax", "rcx", "rdi", "rsi", "r11", "cc", "memory"

static void *hold_general(void *unused) {
    while (!stop) {
        uint64_t difference;
        __asm__ volatile("mov $0x1111111111111111, %%rbx\n mov $0x2222222222222222, %%r12\n"
                         "mov $0x3333333333333333, %%r13\n mov $0x4444444444444444, %%r14\n"
                         "std\n" STAY
                         "lea -128(%%rsp), %%rsp\n pushf\n pop %%rax\n lea 128(%%rsp), %%rsp\n cld\n"
                         "and $0x400, %%rax\n xor $0x400, %%rax\n"
                         "mov $0x1111111111111111, %%rdx\n xor %%rbx, %%rdx\n or %%rdx, %%rax\n"
                         "mov $0x2222222222222222, %%rdx\n xor %%r12, %%rdx\n or %%rdx, %%rax\n"
                         "mov $0x3333333333333333, %%rdx\n xor %%r13, %%rdx\n or %%rdx, %%rax\n"
                         "mov $0x4444444444444444, %%rdx\n xor %%r14, %%rdx\n or %%rdx, %%rax\n"
                         : "=a"(difference)
                         :
                         : "rbx", "rdx", "r12", "r13", "r14", "rcx", "rdi", "rsi", "r11", "cc", "memory");
        if (difference) fault[0]++;
        turns[0]++;
    }
    return NULL;
}

static void *hold_x87(void *unused) {
    // Rounding upwards in the x87 control word, flushing to zero in MXCSR: not the defaults.
    uint16_t control = 0x0b7f, control_now;
    uint32_t vector_control = 0x9f80, vector_control_now;
    __asm__ volatile("fldcw %0\n ldmxcsr %1" : : "m"(control), "m"(vector_control));
    while (!stop) {
        long double result;
        __asm__ volatile("fldpi\n fldl2e\n fldln2\n" STAY
                         "faddp\n faddp\n"
                         : "=t"(result)
                         :
                         : STAY_CHANGES);
        if (result < 5.277L || result > 5.278L) fault[1]++;
        __asm__ volatile("fnstcw %0\n stmxcsr %1" : "=m"(control_now), "=m"(vector_control_now));
        // The low six bits of MXCSR tell of past events.
        if (control_now != control || (vector_control_now & ~63u) != vector_control) fault[1]++;
        turns[1]++;
    }
    return NULL;
}

#if defined(__x86_64__)
static const double quarters[4] = {1.5, 2.25, 3.125, 4.0625};

__attribute__((target("avx2"))) static void *hold_avx(void *unused) {
    while (!stop) {
        double low[4], high[4];
        __asm__ volatile("vmovupd %2, %%ymm5\n vmovupd %2, %%ymm15\n" STAY
                         "vmovupd %%ymm5, %0\n vmovupd %%ymm15, %1\n"
                         : "=m"(low), "=m"(high)
                         : "m"(quarters)
                         : "xmm5", "xmm15", STAY_CHANGES);
        if (memcmp(low, quarters, sizeof low) != 0 || memcmp(high, quarters, sizeof high) != 0) fault[2]++;
        turns[2]++;
    }
    return NULL;
}

static const uint64_t eighths[8] = {11, 22, 33, 44, 55, 66, 77, 88};

__attribute__((target("avx512f,avx512bw"))) static void *hold_avx512(void *unused) {
    while (!stop) {
        uint64_t low[8], high[8], mask;
        __asm__ volatile("vmovdqu64 %3, %%zmm7\n vmovdqu64 %3, %%zmm30\n mov $0x5a5a1234, %%rax\n kmovq %%rax, %%k3\n"
                         STAY
                         "vmovdqu64 %%zmm7, %0\n vmovdqu64 %%zmm30, %1\n kmovq %%k3, %2\n"
                         : "=m"(low), "=m"(high), "=r"(mask)
                         : "m"(eighths)
                         : "xmm7", "xmm30", "k3", STAY_CHANGES);
        if (memcmp(low, eighths, sizeof low) != 0 || memcmp(high, eighths, sizeof high) != 0) fault[3]++;
        if (mask != 0x5a5a1234) fault[3]++;
        turns[3]++;
    }
    return NULL;
}
#endif

static const char *const kinds[] = {"general registers", "x87 registers", "AVX registers", "AVX-512 registers"};
static void *(*const holders[])(void *) = {hold_general, hold_x87, hold_avx, hold_avx512};
static bool is_held[4];

static void set_up(void) {
    is_held[0] = is_held[1] = true;
    is_held[2] = __builtin_cpu_supports("avx2");
    is_held[3] = __builtin_cpu_supports("avx512bw");
    for (int i = 0; i < 4; i++) {
        pthread_t thread;
        if (is_held[i]) MUST_ZERO(pthread_create(&thread, NULL, holders[i], NULL));
    }
}

static void check(void) {
    for (int i = 0; i < 4; i++) {
        if (!is_held[i]) continue;
        long seen = turns[i];
        EVENTUALLY(turns[i] > seen, "the thread with values in %s does not run", kinds[i]);
        EXPECT_EQ(fault[i], 0, kinds[i]);
    }
}

static bool spoil(int way) {
    switch (way) {
    case 0: fault[0]++; return true;
    case 1: stop = true, probe_pause_ms(20); return true;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"registers", set_up, check, spoil, NULL});
}
