// isorun-template: a process that the engine fills with a snapshot's memory and forks from. By itself it only waits: every call
// that it ever makes is made for it, through ptrace. Freestanding, so that hardly anything has to be unmapped first.
#include <asm/unistd.h>

__attribute__((naked, noreturn)) void _start(void) {
    __asm__("1: mov %0, %%eax\n\t"
            "syscall\n\t"
            "jmp 1b"
            :
            : "i"(__NR_pause));
}
