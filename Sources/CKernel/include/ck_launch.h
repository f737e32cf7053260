// The launcher: turns a fresh, single-threaded process into the engine inside its own namespaces.
//
// It is C because it clones a process that goes on running (which Swift must never do) and because it must be over
// before any thread exists.
#pragma once

#include "ck_idmap.h"
#include <sys/types.h>

struct ck_launched {
    enum ck_id_mapping ids;
    int control;     // a socket to the launcher; see ck_launcher_request
    int host_root;   // as root: a detached, id-mapped copy of the mount at `/`; -1 when there is none
    uid_t host_uid;  // who started the engine, as the host numbers them
    gid_t host_gid;
    char problem[CK_PROBLEM_SIZE]; // why ids or host_root are less than they could be; empty when they are not
};

// Enters a new user, mount and pid namespace. Call it first thing in main: no thread may exist.
//
// When the launcher is killed, the engine gets SIGTERM.
//
// Returns 0 in the new process, which is PID 1 of its pid namespace and root of its user namespace, with a private
// mount tree and a /proc of its own. The calling process never returns: it forwards SIGTERM, SIGINT and SIGHUP,
// and ends as the new process ends. When the new process is killed, the kernel kills everything below it.
// Returns -1 (in the caller) when the namespaces cannot be had; `problem` says why.
int ck_launch(struct ck_launched *launched);

// What the engine asks of the launcher, one message for each.
struct ck_launcher_request {
    // End the engine (SIGTERM) when this process of the host's pid namespace ends; 0: not asked for.
    pid_t watched;
    // Remove this control group, with the empty groups in it, when the engine has ended without doing so; empty: none.
    char control_group[256];
    // Copy the mount at this folder of the host, which no symlink leads to, with all beneath, its ids mapped as the engine's user
    // namespace maps them; as root only. It is answered by a ck_launcher_answer with a descriptor; empty: not asked for.
    char mapped_folder[4096];
};

struct ck_launcher_answer {
    int error; // an errno; 0: a descriptor of the detached mount comes with it
};
