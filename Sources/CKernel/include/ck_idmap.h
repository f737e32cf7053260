// The id maps of the engine's user namespace, written from outside by whoever cloned its first process.
//
// It is C because the launcher needs it before Swift may be sure of being alone, and the probes for the same maps.
#pragma once

#include <sys/types.h>

enum ck_id_mapping {
    CK_IDS_ROOT = 0,        // started by root: 65,536 ids of a high range, and the host's own ids above them
    CK_IDS_SUBORDINATE = 1, // the user's own id as 0, and a range from /etc/subuid and /etc/subgid
    CK_IDS_SINGLE = 2,      // only the user's own id, as 0
};

// The first of the host ids that a root-started engine's sandboxes own: above what distributions, systemd and
// container tools hand out (systemd's documentation "Users, Groups, UIDs and GIDs on systemd Systems").
#define CK_ROOT_RANGE_START 1879048192u
// How many ids a sandbox sees; 65,534 is "nobody".
#define CK_IDS_PER_SANDBOX 65536u
// The size of a sentence that says why something is less than it could be, its final NUL included.
#define CK_PROBLEM_SIZE 256

// A sentence into `problem`, cut off where the room ends.
__attribute__((format(printf, 2, 3))) void ck_describe(char *problem, const char *format, ...);

// Writes both id maps of the user namespace that `pid` was cloned into: the best that the caller is entitled to.
// Returns 0 and says in `ids` which that was, and in `problem` (CK_PROBLEM_SIZE) why no better; -1 when there is none.
int ck_write_id_maps(pid_t pid, enum ck_id_mapping *ids, char *problem);

// A detached copy of the mount at `/` on which the host's ids appear as the sandboxes' ids: those that `pid`'s user
// namespace has. Only real root may make it. Returns -1 when it cannot be had; `problem` says why.
int ck_open_mapped_host_root(pid_t pid, char *problem);

// The same of a folder of the host that no symlink leads to, with all that is mounted beneath. Returns -1 and sets errno when
// it cannot be had.
int ck_open_mapped_folder(pid_t pid, const char *path);
