// The shared life of the test programs; probe.h says how it goes.

#include "probe.h"
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MAX_ROLES 8
#define PATH_SIZE 200
#define DESCRIPTION_SIZE (96 << 10)

static struct {
    char name[PATH_SIZE / 2];
    void (*check)(void);
    bool (*spoil)(int);
    void (*idle)(void);
    const char *roles[MAX_ROLES];
    int role_count;
    long handled;
    jmp_buf out_of_check;
    char failure[1200];
} life;

int probe_patience_ms = 5000;

static char before[DESCRIPTION_SIZE], now[DESCRIPTION_SIZE];

void probe_fail(const char *file, int line, const char *format, ...) {
    const char *base = strrchr(file, '/');
    int used = snprintf(life.failure, sizeof life.failure, "FAIL: %s:%d: ", base ? base + 1 : file, line);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(life.failure + used, sizeof life.failure - used, format, arguments);
    va_end(arguments);
    longjmp(life.out_of_check, 1);
}

void probe_pause_ms(int milliseconds) {
    struct timespec left = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000L};
    while (nanosleep(&left, &left) == -1 && errno == EINTR) {}
}

// Files of the protocol. They appear by a rename, so that nobody reads half of one.

static void put(const char *suffix, const char *text) {
    char path[PATH_SIZE], temporary[PATH_SIZE];
    snprintf(path, sizeof path, "/tmp/%s.%s", life.name, suffix);
    snprintf(temporary, sizeof temporary, "/tmp/.%s.%d.new", life.name, getpid());
    int file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file < 0 || write(file, text, strlen(text)) < 0 || close(file) < 0 || rename(temporary, path) < 0) abort();
}

static bool get(const char *name, const char *suffix, char *text, size_t size) {
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "/tmp/%s.%s", name, suffix);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    ssize_t length = read(file, text, size - 1);
    close(file);
    text[length < 0 ? 0 : length] = 0;
    return length > 0;
}

// Checks

// What is under way at the moment of looking, a signal of a timer for instance, is not there when one looks again.
static void compare_descriptions(void) {
    for (int attempts = 20; attempts > 0; attempts--) {
        probe_describe(now, sizeof now);
        if (strcmp(before, now) == 0) return;
        probe_pause_ms(1);
    }
    char *rest_before = before, *rest_now = now;
    while (*rest_before || *rest_now) {
        size_t long_before = strcspn(rest_before, "\n"), long_now = strcspn(rest_now, "\n");
        EXPECT(long_before == long_now && memcmp(rest_before, rest_now, long_now) == 0,
               "what /proc tells has changed: expected \"%.*s\", got \"%.*s\"", (int)long_before, rest_before,
               (int)long_now, rest_now);
        rest_before += long_before + (rest_before[long_before] != 0);
        rest_now += long_now + (rest_now[long_now] != 0);
    }
}

static void expect_roles(long generation) {
    for (int i = 0; i < life.role_count; i++) {
        char name[PATH_SIZE], suffix[PATH_SIZE], result[1000];
        snprintf(name, sizeof name, "%s.%s", life.name, life.roles[i]);
        snprintf(suffix, sizeof suffix, "result.%ld", generation);
        EVENTUALLY(get(name, suffix, result, sizeof result), "the process \"%s\" does not answer", life.roles[i]);
        EXPECT(strcmp(result, "ok") == 0, "in the process \"%s\": %s", life.roles[i], result);
    }
}

static void run_check(long generation) {
    if (setjmp(life.out_of_check) == 0) {
        compare_descriptions();
        life.check();
        expect_roles(generation);
        probe_describe(before, sizeof before);
        strcpy(life.failure, "ok");
    }
    char suffix[64];
    snprintf(suffix, sizeof suffix, "result.%ld", generation);
    put(suffix, life.failure);
}

static void run_spoil(long generation, int way) {
    probe_patience_ms = 300; // the next check is expected to fail
    if (setjmp(life.out_of_check) == 0)
        strcpy(life.failure, life.spoil && life.spoil(way) ? "spoilt" : "no such way");
    char suffix[64];
    snprintf(suffix, sizeof suffix, "result.%ld", generation);
    put(suffix, life.failure);
}

static _Noreturn void serve(const char *family) {
    for (;;) {
        char request[100];
        if (get(family, "go", request, sizeof request)) {
            char *rest;
            long generation = strtol(request, &rest, 10);
            bool is_spoil = strncmp(rest, " spoil ", 7) == 0;
            if (generation != life.handled) {
                life.handled = generation;
                if (!is_spoil) run_check(generation);
                else if (life.spoil) run_spoil(generation, atoi(rest + 7));
            }
        }
        if (life.idle) life.idle();
        probe_pause_ms(2);
    }
}

static void begin(void (*set_up)(void)) {
    if (setjmp(life.out_of_check) == 0) {
        set_up();
        // Checked once before anybody relies on it, and so that what is made at first use is there.
        life.check();
        probe_describe(before, sizeof before);
        put("ready", "ready");
        return;
    }
    put("ready", life.failure);
    for (;;) pause();
}

void probe_main(const struct probe *probe) {
    snprintf(life.name, sizeof life.name, "%s", probe->name);
    life.check = probe->check;
    life.spoil = probe->spoil;
    life.idle = probe->idle;
    // The shell that started the program may still be there; when it ends, the parent changes.
    while (getppid() != 1) probe_pause_ms(1);
    begin(probe->set_up);
    serve(life.name);
}

pid_t probe_fork_role(const char *role, void (*set_up)(void), void (*check)(void), void (*idle)(void)) {
    pid_t child = MUST(fork());
    char name[PATH_SIZE / 2], family[PATH_SIZE / 2], ready[1000];
    strcpy(family, life.name);
    EXPECT(snprintf(name, sizeof name, "%s.%s", family, role) < (int)sizeof name, "the name %s is too long", role);
    if (child == 0) {
        strcpy(life.name, name);
        life.check = check;
        life.spoil = NULL;
        life.idle = idle;
        life.role_count = 0;
        begin(set_up);
        serve(family);
    }
    EVENTUALLY(get(name, "ready", ready, sizeof ready), "the process \"%s\" does not become ready", role);
    EXPECT(strcmp(ready, "ready") == 0, "in the process \"%s\": %s", role, ready);
    EXPECT(life.role_count < MAX_ROLES, "too many roles");
    life.roles[life.role_count++] = role;
    return child;
}

// Helpers

void *probe_shared(size_t size) {
    return MUST(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
}

const char *probe_read(const char *path, char *buffer, size_t size) {
    int file = MUST(open(path, O_RDONLY | O_CLOEXEC));
    ssize_t length = MUST(read(file, buffer, size - 1));
    close(file);
    buffer[length] = 0;
    return buffer;
}

const char *probe_link(const char *path, char *buffer, size_t size) {
    buffer[MUST(readlink(path, buffer, size - 1))] = 0;
    return buffer;
}

void probe_write(const char *path, const char *text) {
    int file = MUST(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    EXPECT_EQ(write(file, text, strlen(text)), strlen(text), path);
    close(file);
}

void probe_expect_content(int descriptor, const char *text, const char *what) {
    char found[4096];
    size_t length = 0, expected = strlen(text);
    struct pollfd readable = {.fd = descriptor, .events = POLLIN};
    while (length < expected && poll(&readable, 1, 0) == 1 && readable.revents & POLLIN) {
        ssize_t more = MUST(read(descriptor, found + length, sizeof found - 1 - length));
        if (more == 0) break;
        length += more;
    }
    found[length] = 0;
    EXPECT_TEXT(found, text, what);
}

void exchange_ask(struct exchange *exchange) {
    int number = exchange->asked + 1;
    exchange->asked = number;
    EVENTUALLY(exchange->answered == number, "no answer from the other side (asked %d, answered %d)", number,
               exchange->answered);
}

bool exchange_is_open(const struct exchange *exchange) {
    return exchange->asked != exchange->answered;
}

void exchange_answer(struct exchange *exchange) {
    exchange->answered = exchange->asked;
}
