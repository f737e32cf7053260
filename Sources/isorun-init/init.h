// isorun-init: PID 1 of a sandbox. It builds what only a process inside the namespaces can build, gives up every
// privilege that the sandbox's own processes lack, and then starts programs and reaps.
//
// Single-threaded, no libc, no heap, no files of its own. Every failure goes to the engine as a step and an error number.
#pragma once

#include <InitProtocol.h>

// The outcome of a step: `error` is 0 or a positive error number.
struct outcome {
    enum isorun_step step;
    int error;
};

#define SUCCEEDED ((struct outcome){ISORUN_STEP_NONE, 0})
#define FAILED(step, result) ((struct outcome){(step), (int)-(result)})

// mounts.c: replaces the inherited mount tree by a small one: /proc, /sys, /dev on a tmpfs root.
struct outcome build_mounts(uint32_t terminal_group);

// privileges.c: brings loopback up, then keeps only `setup->capabilities` and installs the filter, for good.
struct outcome raise_loopback(void);
struct outcome drop_privileges(const struct isorun_setup *setup, const void *filter);

// spawn.c: starts the program of an ISORUN_SPAWN payload. Stores its pid.
struct outcome spawn(const struct isorun_spawn *request, uint32_t size, const int *descriptors, int *pid);
