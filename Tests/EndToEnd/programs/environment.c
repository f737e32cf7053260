// The program itself: its file, which has an odd name, arguments, environment, a title written over the arguments.

#include "probe.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define ODD "/tmp/an odd (name) R 1\ttab"

static char *first_argument;

static void set_up(void) {
    strcpy(first_argument, "environment: a title");
    setenv("ADDED", "later", 1);
    EXPECT(getenv("SET"), "the environment is not as it was made");
}

static void check(void) {
    char text[4096];
    EXPECT_TEXT(probe_link("/proc/self/exe", text, sizeof text), ODD, "the program's file");
    EXPECT_TEXT(getenv("SET"), "by the first life", "a variable");
    EXPECT_TEXT(getenv("ADDED"), "later", "a variable that was added");
    EXPECT_TEXT(probe_read("/proc/self/cmdline", text, sizeof text), "environment: a title", "the arguments in /proc");
    probe_read("/proc/self/environ", text, sizeof text);
    EXPECT_TEXT(text, "SET=by the first life", "the environment in /proc");
    EXPECT_TEXT((const char *)getauxval(AT_EXECFN), ODD, "the program's file in the auxiliary vector");
    EXPECT_EQ(getauxval(AT_PAGESZ), 4096, "the page size in the auxiliary vector");
    int running = open(ODD, O_WRONLY);
    EXPECT(running == -1 && errno == ETXTBSY, "the program's file is not in use");
}

static bool spoil(int way) {
    switch (way) {
    case 0: first_argument[0] = 'E'; return true;
    case 1: return rename(ODD, "/tmp/another") == 0;
    case 2: return setenv("SET", "again", 1) == 0;
    default: return false;
    }
}

int main(int argc, char **argv) {
    if (argc == 1) {
        int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        int to = open(ODD, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
        struct stat info;
        if (fstat(from, &info) < 0 || sendfile(to, from, NULL, info.st_size) != info.st_size || close(to) < 0) return 1;
        char *arguments[] = {"a first argument that is long enough", "", "third", NULL};
        char *variables[] = {"SET=by the first life", "EMPTY=", "no equals sign", NULL};
        execve(ODD, arguments, variables);
        return 1;
    }
    first_argument = argv[0];
    probe_main(&(struct probe){"environment", set_up, check, spoil, NULL});
}
