// What the engine and isorun-init say to each other, over a unix stream socket that is descriptor 3 of isorun-init.
//
// The engine sends requests, each a header and `size` bytes, descriptors with the first byte of the header. isorun-init
// answers with events of one fixed size. Both come from the same build, so there is no version.
#pragma once

#include <stdint.h>

enum {
    ISORUN_INIT_SOCKET = 3,
    // A request's largest payload: the kernel takes at most 2 MiB of arguments and environment by default (execve(2)),
    // and a request holds them once more as pathnames and gids.
    ISORUN_REQUEST_LIMIT = 4 * 1024 * 1024,
    ISORUN_SPAWN_DESCRIPTORS = 3,
};

enum isorun_request_kind {
    // Build the sandbox's own mounts, bring loopback up, give up privileges. Once, before anything else.
    ISORUN_SETUP = 1,
    // Start a program.
    ISORUN_SPAWN = 2,
};

struct isorun_request {
    uint32_t kind;
    uint32_t size; // bytes that follow this header
    uint64_t tag;  // comes back in the event that answers
};

// Payload of ISORUN_SETUP; `filter_length` seccomp instructions (struct sock_filter, 8 bytes) follow it.
struct isorun_setup {
    uint64_t capabilities;      // a bit for each capability that the sandbox's root keeps
    uint64_t open_files;        // soft RLIMIT_NOFILE for what runs inside
    uint32_t terminal_group;    // owner group of pseudo-terminals; UINT32_MAX: leave it to the kernel
    uint32_t filter_length;
};

enum {
    // Standard input, output and error are a terminal, which becomes the controlling one of the program's session.
    ISORUN_SPAWN_TERMINAL = 1,
};

// Payload of ISORUN_SPAWN; then `group_count` gids, then NUL-terminated strings: the working directory, the pathnames to
// try in order, the arguments, the environment. Three descriptors come with it: standard input, output and error.
struct isorun_spawn {
    uint64_t mark; // RLIMIT_LOCKS of the new process and all its descendants; see ExecMark in the engine
    uint32_t uid;
    uint32_t gid;
    uint32_t group_count;
    uint32_t path_count;
    uint32_t argument_count;
    uint32_t environment_count;
    uint32_t flags; // ISORUN_SPAWN_TERMINAL or 0
    uint32_t reserved;
};

enum isorun_event_kind {
    ISORUN_READY = 1,   // set-up is done; `error` and `step` when it failed
    ISORUN_STARTED = 2, // the program runs as `pid`
    ISORUN_REFUSED = 3, // the program did not start; `error`, `step`
    ISORUN_EXITED = 4,  // a child of isorun-init was reaped
};

// Where a request failed.
enum isorun_step {
    ISORUN_STEP_NONE = 0,
    ISORUN_STEP_REQUEST,
    ISORUN_STEP_MOUNT_ROOT,
    ISORUN_STEP_MOUNT_PROC,
    ISORUN_STEP_MOUNT_SYS,
    ISORUN_STEP_MOUNT_DEV,
    ISORUN_STEP_PIVOT,
    ISORUN_STEP_LOOPBACK,
    ISORUN_STEP_LIMITS,
    ISORUN_STEP_SECCOMP,
    ISORUN_STEP_CAPABILITIES,
    ISORUN_STEP_FORK,
    ISORUN_STEP_STDIO,
    ISORUN_STEP_TERMINAL,
    ISORUN_STEP_USER,
    ISORUN_STEP_DIRECTORY,
    ISORUN_STEP_EXECUTE,
};

struct isorun_event {
    uint32_t kind;
    uint32_t step;
    uint64_t tag;
    int32_t error;
    int32_t pid;
    int32_t status; // of an exit, as wait(2) gives it
    uint32_t reserved;
    uint64_t cpu_microseconds; // of the exited process and its reaped children
    uint64_t peak_memory_bytes;
};
