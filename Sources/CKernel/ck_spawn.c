#define _GNU_SOURCE
#include "ck_spawn.h"
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>

// An array of pointers to consecutive strings, with NULL at its end.
static char **point_at(const char *strings, int count) {
    char **array = calloc((size_t)count + 1, sizeof *array);
    for (int i = 0; array && i < count; i++) {
        array[i] = (char *)strings;
        strings += strlen(strings) + 1;
    }
    return array;
}

static int prepare_files(posix_spawn_file_actions_t *actions, const int streams[3]) {
    int failure = 0;
    for (int i = 0; !failure && i < 3; i++) failure = posix_spawn_file_actions_adddup2(actions, streams[i], i);
    return failure ? failure : posix_spawn_file_actions_addclosefrom_np(actions, 3);
}

static int prepare_attributes(posix_spawnattr_t *attributes) {
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setsigdefault(attributes, &all);
    return posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
}

pid_t ck_spawn(const char *path, const char *arguments, int argument_count, const char *environment, int variable_count,
               const int streams[3]) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    pid_t pid = -1;
    char **argv = point_at(arguments, argument_count), **envp = point_at(environment, variable_count);
    int failure = argv && envp ? 0 : ENOMEM;
    if (!failure) failure = posix_spawn_file_actions_init(&actions);
    if (!failure) {
        failure = posix_spawnattr_init(&attributes);
        if (!failure) {
            failure = prepare_files(&actions, streams);
            if (!failure) failure = prepare_attributes(&attributes);
            if (!failure) failure = posix_spawn(&pid, path, &actions, &attributes, argv, envp);
            posix_spawnattr_destroy(&attributes);
        }
        posix_spawn_file_actions_destroy(&actions);
    }
    free(argv);
    free(envp);
    errno = failure;
    return failure ? -1 : pid;
}
