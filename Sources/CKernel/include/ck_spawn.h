// Programs of the host that run beside the engine.
#pragma once

#include <sys/types.h>

// Starts a program by posix_spawn(3): in the namespaces of the calling thread, in a session of its own, with signals as
// they are by default, and with no descriptors but `streams`, which become 0, 1 and 2.
//
// `arguments` are strings one after the other, each ended by 0, argv[0] first; `environment` likewise, as NAME=VALUE.
// Returns the pid, or -1 with errno, also when the program cannot be executed.
pid_t ck_spawn(const char *path, const char *arguments, int argument_count, const char *environment, int variable_count,
               const int streams[3]);
