// System calls without a C library: each returns its result, or a negative error number.
#pragma once

#include <stddef.h>
#include <stdint.h>

static inline long syscall6(long number, long a, long b, long c, long d, long e, long f) {
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

#define SYSCALL(number, ...) SYSCALL_WITH(number, __VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define SYSCALL_WITH(number, a, b, c, d, e, f, ...) \
    syscall6(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

// The compiler may call these on its own (gcc(1), -ffreestanding).
void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
