// The life that all test programs of runtime state share.
//
// A program sets up one kind of kernel state, says that it is ready, and from then on checks itself whenever it is
// asked to, any number of times: after a snapshot, in a restored copy, in a fork, after a hibernation. It talks by
// files only, because everything else may be what is being tested:
//
//   /tmp/NAME.ready          "ready", or why it could not be set up
//   /tmp/NAME.go             the test's request: a generation number, or a number and "spoil N"
//   /tmp/NAME.result.NUMBER  "ok" or "FAIL: what was expected, what was found"
//
// Rules for a program: a check leaves the state as it found it or notes in private memory what it changed, so that it
// can be repeated, and so that a change made in another copy of the program is found. `spoil` makes the state wrong in
// one of several ways, as a flawed restore would; the suite proves with it that the check can fail.
//
// Beyond its own check each process compares what /proc tells of it (invariants.c): ids, signals, descriptors,
// mappings, threads, limits. So any program notices a descriptor too many, or a mapping that has moved.

#ifndef PROBE_H
#define PROBE_H

#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

struct probe {
    const char *name;
    void (*set_up)(void);
    void (*check)(void);
    // Makes the state wrong in the given way, counted from 0; false when there is no such way.
    bool (*spoil)(int way);
    // Called every few milliseconds between checks, or NULL.
    void (*idle)(void);
};

_Noreturn void probe_main(const struct probe *probe);

// Forks a child that lives the same life under NAME.ROLE, and returns when it is ready. Its failures are its parent's.
pid_t probe_fork_role(const char *role, void (*set_up)(void), void (*check)(void), void (*idle)(void));

// Ends the check (or the setting up) as failed. Only on the thread that serves the requests.
_Noreturn void probe_fail(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));

#define EXPECT(condition, ...)                                                  \
    do {                                                                        \
        if (!(condition)) probe_fail(__FILE__, __LINE__, __VA_ARGS__);          \
    } while (0)

#define EXPECT_EQ(actual, expected, what)                                                                            \
    do {                                                                                                             \
        long long actual_ = (long long)(actual), expected_ = (long long)(expected);                                  \
        if (actual_ != expected_)                                                                                    \
            probe_fail(__FILE__, __LINE__, "%s: expected %lld (%#llx), got %lld (%#llx)", (what), expected_,         \
                       (unsigned long long)expected_, actual_, (unsigned long long)actual_);                         \
    } while (0)

#define EXPECT_TEXT(actual, expected, what)                                                                          \
    do {                                                                                                             \
        const char *actual_ = (actual), *expected_ = (expected);                                                     \
        if (strcmp(actual_, expected_) != 0)                                                                         \
            probe_fail(__FILE__, __LINE__, "%s: expected \"%s\", got \"%s\"", (what), expected_, actual_);           \
    } while (0)

// The value of a call that must not return -1.
#define MUST(call)                                                                                          \
    ({                                                                                                      \
        __typeof__(call) value_ = (call);                                                                   \
        if (value_ == (__typeof__(call))-1) probe_fail(__FILE__, __LINE__, "%s: %s", #call, strerror(errno)); \
        value_;                                                                                             \
    })

// A call that must fail with this errno.
#define MUST_FAIL(call, code)                                                                                     \
    do {                                                                                                          \
        errno = 0;                                                                                                \
        long long value_ = (long long)(call);                                                                     \
        if (value_ != -1 || errno != (code))                                                                      \
            probe_fail(__FILE__, __LINE__, "%s: expected %s, got %lld (%s)", #call, strerror(code), value_,       \
                       strerror(errno));                                                                          \
    } while (0)

// A call of the pthread kind, which returns its error.
#define MUST_ZERO(call)                                                                               \
    do {                                                                                              \
        int error_ = (call);                                                                          \
        if (error_ != 0) probe_fail(__FILE__, __LINE__, "%s: %s", #call, strerror(error_));           \
    } while (0)

// Waits for something that another thread or process does at once.
#define EVENTUALLY(condition, ...)                                                      \
    do {                                                                                \
        bool is_so_ = (condition);                                                      \
        for (int left_ = probe_patience_ms; !is_so_ && left_ > 0; left_--) {            \
            probe_pause_ms(1);                                                          \
            is_so_ = (condition);                                                       \
        }                                                                               \
        if (!is_so_) probe_fail(__FILE__, __LINE__, __VA_ARGS__);                       \
    } while (0)

// How long something that happens at once may take on a busy machine.
extern int probe_patience_ms;

void probe_pause_ms(int milliseconds);

// Zeroed memory that children share.
void *probe_shared(size_t size);

// The content of a small file as text, or of a link.
const char *probe_read(const char *path, char *buffer, size_t size);
const char *probe_link(const char *path, char *buffer, size_t size);
void probe_write(const char *path, const char *text);

// Reads what there is now, without waiting, and expects exactly this text.
void probe_expect_content(int descriptor, const char *text, const char *what);

// A value that depends on a place, to fill memory with.
static inline uint64_t probe_pattern(uint64_t place) {
    return (place + 1) * 0x9E3779B97F4A7C15u;
}

// One side asks by a number and the other one answers from its idle function; both lie in shared memory.
struct exchange {
    volatile int asked, answered;
};
void exchange_ask(struct exchange *exchange);
bool exchange_is_open(const struct exchange *exchange);
void exchange_answer(struct exchange *exchange);

// invariants.c: writes what must not change of this process, a line for each fact.
void probe_describe(char *text, size_t size);

#endif
