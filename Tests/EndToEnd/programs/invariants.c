// What /proc tells of a process and must not change by a snapshot, a restore or a fork.

#include "probe.h"
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LARGEST_FILE (64 << 10)

static char *out;
static size_t room;
static char file[LARGEST_FILE];

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int used = vsnprintf(out, room, format, arguments);
    va_end(arguments);
    EXPECT(used >= 0 && (size_t)used < room, "the description of the process is too long");
    out += used;
    room -= used;
}

// A process that has changed its user may not read all of its own /proc (proc(5), PR_SET_DUMPABLE).
static size_t load(const char *path) {
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0 && errno == EACCES) return sprintf(file, "(no access)\n");
    EXPECT(descriptor >= 0, "%s: %s", path, strerror(errno));
    size_t length = 0;
    ssize_t more;
    while ((more = MUST(read(descriptor, file + length, sizeof file - 1 - length))) > 0) length += more;
    close(descriptor);
    file[length] = 0;
    return length;
}

// Signals, ids, capabilities: the lines of status that are a matter of state and not of measuring.
static void describe_status(void) {
    static const char *const kept[] = {
        "Name:", "Umask:", "Tgid:", "Pid:", "PPid:", "TracerPid:", "Uid:", "Gid:", "Groups:", "NStgid:", "NSpid:",
        "NSpgid:", "NSsid:", "Threads:", "SigPnd:", "ShdPnd:", "SigBlk:", "SigIgn:", "SigCgt:", "CapInh:", "CapPrm:",
        "CapEff:", "CapBnd:", "CapAmb:", "NoNewPrivs:", "Seccomp:", "Cpus_allowed:", "THP_enabled:", NULL};
    load("/proc/self/status");
    for (char *line = strtok(file, "\n"); line; line = strtok(NULL, "\n"))
        for (int i = 0; kept[i]; i++)
            if (strncmp(line, kept[i], strlen(kept[i])) == 0) say("status %s\n", line);
}

// From stat: group, session, nice, policy, and where the parts of the address space begin.
static void describe_stat(void) {
    static const int kept[] = {5, 6, 7, 8, 19, 26, 27, 28, 40, 41, 45, 46, 47, 48, 49, 50, 51, 0};
    load("/proc/self/stat");
    char *field = strrchr(file, ')') + 2;
    int number = 3;
    for (char *value = strtok(field, " "); value; value = strtok(NULL, " "), number++)
        for (int i = 0; kept[i]; i++)
            if (number == kept[i]) say("stat field %d: %s\n", number, value);
}

static int by_number(const void *first, const void *second) {
    return *(const int *)first - *(const int *)second;
}

// The numbers that a folder of /proc has as names. The descriptor that reads them is left out.
static int list(const char *path, int *numbers, int limit) {
    DIR *folder = opendir(path);
    if (!folder && errno == EACCES) return 0;
    EXPECT(folder, "%s: %s", path, strerror(errno));
    int count = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (!isdigit(entry->d_name[0]) || (strstr(path, "/fd") && atoi(entry->d_name) == dirfd(folder))) continue;
        EXPECT(count < limit, "%s has too many entries", path);
        numbers[count++] = atoi(entry->d_name);
    }
    closedir(folder);
    qsort(numbers, count, sizeof *numbers, by_number);
    return count;
}

// Pipes, sockets and nameless files are named by inode numbers, which are new in a restored process; a deleted file comes back
// without the name that it had.
static void strip_inode(char *target) {
    char *colon = strchr(target, ':'), *base = strrchr(target, '/');
    if (base && base != target && strncmp(target, "/memfd:", 7) != 0 && strstr(base, " (deleted)"))
        strcpy(target, "a deleted file");
    if (base == target && target[1] == '#' && strstr(base, " (deleted)")) strcpy(target, "a deleted file");
    if (target[0] != '/' && colon && colon[1] == '[' && isdigit(colon[2])) strcpy(colon, ":[]");
}

static void describe_descriptors(void) {
    int numbers[1100], count = list("/proc/self/fd", numbers, 1100);
    for (int i = 0; i < count; i++) {
        char path[64], target[4200];
        snprintf(path, sizeof path, "/proc/self/fd/%d", numbers[i]);
        ssize_t length = MUST(readlink(path, target, sizeof target - 1));
        target[length] = 0;
        strip_inode(target);
        snprintf(path, sizeof path, "/proc/self/fdinfo/%d", numbers[i]);
        load(path);
        char *flags = strstr(file, "flags:");
        EXPECT(flags, "%s tells no flags", path);
        // O_LARGEFILE says nothing on a 64-bit machine, and whoever opens a pipe by name gets it.
        long kept = strtol(flags + strlen("flags:"), NULL, 8) & ~0100000L;
        // How a file without a name was made (O_TMPFILE) says nothing of what can be done with it.
        if (strcmp(target, "a deleted file") == 0) kept &= ~020200000L;
        say("descriptor %d: %s, flags %lo\n", numbers[i], target, kept);
    }
}

static void describe_threads(void) {
    int numbers[1100], count = list("/proc/self/task", numbers, 1100);
    for (int i = 0; i < count; i++) {
        char path[64], name[64];
        snprintf(path, sizeof path, "/proc/self/task/%d/comm", numbers[i]);
        say("thread %d: %s", numbers[i], probe_read(path, name, sizeof name));
    }
}

struct mapping {
    unsigned long start, end, offset;
    char protection[8], name[300];
};

static bool continues(const struct mapping *first, const struct mapping *second) {
    return first->end == second->start && strcmp(first->protection, second->protection) == 0
        && strcmp(first->name, second->name) == 0
        && (first->name[0] != '/' || first->offset + (first->end - first->start) == second->offset);
}

static bool ends_with(const char *text, const char *end) {
    size_t length = strlen(text), wanted = strlen(end);
    return length >= wanted && strcmp(text + length - wanted, end) == 0;
}

static void describe_mapping(const struct mapping *mapping) {
    // The heap and the stack grow by themselves.
    bool is_heap = strcmp(mapping->name, "[heap]") == 0, is_stack = strcmp(mapping->name, "[stack]") == 0;
    say("mapping %lx-%lx %s %lx %s\n", is_stack ? 0 : mapping->start, is_heap ? 0 : mapping->end, mapping->protection,
        mapping->offset, mapping->name);
}

// Neighbours that differ in nothing are one mapping or several, as the kernel likes.
static void describe_mappings(void) {
    struct mapping last = {0};
    load("/proc/self/maps");
    for (char *line = strtok(file, "\n"); line; line = strtok(NULL, "\n")) {
        struct mapping next = {0};
        int name_at = 0;
        sscanf(line, "%lx-%lx %7s %lx %*s %*s %n", &next.start, &next.end, next.protection, &next.offset, &name_at);
        if (name_at) snprintf(next.name, sizeof next.name, "%s", line + name_at);
        // What has no name any more may come back as a memory file, or as anonymous memory where it is private; what it
        // holds and who sees it is what counts.
        if (ends_with(next.name, " (deleted)")) strcpy(next.name, next.protection[3] == 's' ? "shared memory" : "");
        // A private mapping of /dev/zero is anonymous memory.
        if (strcmp(next.name, "/dev/zero") == 0) next.name[0] = 0;
        if (next.name[0] != '/') next.offset = 0;
        if (continues(&last, &next)) {
            last.end = next.end;
        } else {
            if (last.end) describe_mapping(&last);
            last = next;
        }
    }
    describe_mapping(&last);
}

// FNV-1a over a file that is too long to show.
static void describe_sum(const char *path) {
    size_t length = load(path);
    uint64_t sum = 0xcbf29ce484222325u;
    for (size_t i = 0; i < length; i++) sum = (sum ^ (unsigned char)file[i]) * 0x100000001b3u;
    say("%s: %zu bytes, sum %llx\n", path, length, (unsigned long long)sum);
}

void probe_describe(char *text, size_t size) {
    out = text;
    room = size;
    char target[4200];
    static const char *const links[] = {"/proc/self/cwd", "/proc/self/root", "/proc/self/exe"};
    static const char *const sums[] = {"/proc/self/cmdline", "/proc/self/environ", "/proc/self/auxv"};
    static const char *const values[] = {
        "/proc/self/oom_score_adj", "/proc/self/coredump_filter", "/proc/self/personality", "/proc/self/timerslack_ns"};
    describe_status();
    describe_stat();
    for (int i = 0; i < 3; i++) {
        ssize_t length = readlink(links[i], target, sizeof target - 1);
        EXPECT(length >= 0 || errno == EACCES, "%s: %s", links[i], strerror(errno));
        say("%s -> %.*s\n", links[i], (int)length, length < 0 ? "" : target);
    }
    for (int i = 0; i < 3; i++) describe_sum(sums[i]);
    for (int i = 0; i < 4; i++) {
        load(values[i]);
        say("%s: %s", values[i], file);
    }
    load("/proc/self/limits");
    say("%s", file);
    describe_descriptors();
    describe_threads();
    describe_mappings();
}
