// A process whose working directory has been deleted, and whose program file too.

#include "probe.h"
#include <sys/stat.h>
#include <unistd.h>

static void set_up(void) {
    MUST(mkdir("/tmp/deleted_cwd.folder", 0700));
    MUST(chdir("/tmp/deleted_cwd.folder"));
    MUST(rmdir("/tmp/deleted_cwd.folder"));
    char program[200];
    MUST(unlink(probe_link("/proc/self/exe", program, sizeof program)));
}

static void check(void) {
    char text[300];
    struct stat info;
    EXPECT(getcwd(text, sizeof text) == NULL && errno == ENOENT, "the working directory has a name: %s", text);
    EXPECT_TEXT(probe_link("/proc/self/cwd", text, sizeof text), "/tmp/deleted_cwd.folder (deleted)",
                "the working directory");
    MUST(stat(".", &info));
    EXPECT_EQ(info.st_nlink, 0, "the number of names of the working directory");
    EXPECT(strstr(probe_link("/proc/self/exe", text, sizeof text), " (deleted)"), "the program is not deleted: %s",
           text);
}

static bool spoil(int way) {
    return way == 0 && chdir("/") == 0;
}

int main(void) {
    probe_main(&(struct probe){"deleted_cwd", set_up, check, spoil, NULL});
}
