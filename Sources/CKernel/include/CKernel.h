// What Swift cannot reach of Linux: calls that glibc does not declare to `import Glibc`, variadic calls, macros.
// One call per function, no policy; everything else is Swift. Names: ck_ + the call's own name.
#pragma once

#include "ck_descriptors.h"
#include "ck_errno.h"
#include "ck_event.h"
#include "ck_idmap.h"
#include "ck_ipc.h"
#include "ck_launch.h"
#include "ck_locked_mount.h"
#include "ck_mount.h"
#include "ck_pages.h"
#include "ck_probe.h"
#include "ck_probe_namespaces.h"
#include "ck_process.h"
#include "ck_socket.h"
#include "ck_socket_state.h"
#include "ck_spawn.h"
#include "ck_terminal.h"
#include "ck_trace.h"
#include "ck_file.h"
