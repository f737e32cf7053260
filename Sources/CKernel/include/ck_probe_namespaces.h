// Tries, in namespaces as the engine and its sandboxes have them, what only works there.
//
// It is C because a clone of this process does it, in which Swift must not run.
#pragma once

#include "ck_idmap.h"

// In the order in which they are tried; one that needs another that failed is not reached.
enum ck_namespace_check {
    CK_CHECK_CLONE,             // user, mount and pid namespaces in one clone3
    CK_CHECK_ID_MAPS,
    CK_CHECK_HOST_ROOT,         // an id-mapped mount of `/`; only as real root
    CK_CHECK_BECOME_ROOT,       // the capabilities that a new user namespace gives
    CK_CHECK_SETGROUPS,
    CK_CHECK_PRIVATE_MOUNTS,
    CK_CHECK_STORE_OVERLAY,     // in the scratch folder
    CK_CHECK_PROC,
    CK_CHECK_OVERLAY,           // on a fresh tmpfs
    CK_CHECK_SANDBOX_NAMESPACES,
    CK_CHECK_LOOPBACK,
    CK_CHECK_SET_TID,
    CK_CHECK_PTRACE,
    CK_CHECK_READ_MEMORY,
    CK_CHECK_SECCOMP,
    CK_CHECK_COUNT,
};

#define CK_CHECK_NOT_REACHED (-1)

struct ck_check_outcome {
    int error;                // 0, an errno, or CK_CHECK_NOT_REACHED
    const char *call;         // the call that failed; static
    char words[CK_PROBLEM_SIZE]; // what the kernel said besides; usually nothing
};

struct ck_namespace_probe {
    struct ck_check_outcome outcomes[CK_CHECK_COUNT];
    enum ck_id_mapping ids;
    char problem[CK_PROBLEM_SIZE]; // why `ids` are less than they could be
};

// Clones a child into new user, mount and pid namespaces, makes it try everything, and waits for its end: at most 10 s,
// then it is killed. Nothing of it stays but what an overlay leaves in `scratch`, an empty folder whose filesystem is
// to be tried as an overlay's upper; NULL when there is none.
// Returns 0 whatever failed in there; -1 when not even the probe could be set up.
int ck_probe_in_namespaces(const char *scratch, struct ck_namespace_probe *probe);

// One outcome of the array, which Swift would see as a tuple.
const struct ck_check_outcome *ck_check_outcome(const struct ck_namespace_probe *probe, enum ck_namespace_check check);
