// Open files of /proc: of the process itself, of a child, of the system, a folder; they tell of the same processes as
// before.

#include "probe.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int own, half_read, of_child, folder, thread_name, uptime, kernel_setting, child_folder;
static pid_t child;

static void set_up(void) {
    char path[64], half[10];
    child = MUST(fork());
    if (child == 0)
        for (;;) pause();
    own = MUST(open("/proc/self/stat", O_RDONLY));
    half_read = MUST(open("/proc/self/cmdline", O_RDONLY));
    EXPECT_EQ(read(half_read, half, 4), 4, "read");
    snprintf(path, sizeof path, "/proc/%d/stat", child);
    of_child = MUST(open(path, O_RDONLY));
    folder = MUST(open("/proc/self", O_RDONLY | O_DIRECTORY));
    snprintf(path, sizeof path, "/proc/%d", child);
    child_folder = MUST(open(path, O_PATH | O_DIRECTORY));
    thread_name = MUST(open("/proc/thread-self/comm", O_RDWR));
    uptime = MUST(open("/proc/uptime", O_RDONLY));
    kernel_setting = MUST(open("/proc/sys/kernel/ostype", O_RDONLY));
}

static int number_in(int file) {
    char text[600] = "";
    EXPECT(pread(file, text, sizeof text - 1, 0) > 0, "read from /proc");
    return atoi(text);
}

static void check(void) {
    char text[200] = "", expected[200];
    EXPECT_EQ(number_in(own), getpid(), "the process's number in its own stat");
    EXPECT_EQ(number_in(of_child), child, "the child's number in its stat");
    EXPECT_EQ(lseek(half_read, 0, SEEK_CUR), 4, "the offset in cmdline");
    EXPECT(read(half_read, text, sizeof text - 1) > 0, "read of the rest");
    MUST(lseek(half_read, 4, SEEK_SET));
    char whole[204];
    probe_read("/proc/self/cmdline", whole, sizeof whole);
    EXPECT_TEXT(text, whole + 4, "the rest of cmdline");
    int status = MUST(openat(folder, "status", O_RDONLY));
    EXPECT(read(status, text, 100) > 0, "read of status");
    close(status);
    snprintf(expected, sizeof expected, "Name:\tproc_files\n");
    EXPECT_EQ(strncmp(text, expected, strlen(expected)), 0, "the first line of status");
    int child_stat = MUST(openat(child_folder, "stat", O_RDONLY));
    EXPECT_EQ(number_in(child_stat), child, "the child's number, from its folder");
    close(child_stat);
    EXPECT_EQ(write(thread_name, "proc_files", 10), 10, "write of the own name");
    EXPECT(pread(uptime, text, sizeof text - 1, 0) > 3, "read of uptime");
    memset(text, 0, sizeof text);
    EXPECT(pread(kernel_setting, text, sizeof text - 1, 0) > 0, "read of a setting of the kernel");
    EXPECT_TEXT(text, "Linux\n", "a setting of the kernel");
}

static bool spoil(int way) {
    switch (way) {
    case 0: lseek(half_read, 0, SEEK_SET); return true;
    case 1: kill(child, 9); return waitpid(child, NULL, 0) == child;
    case 2: close(own), own = open("/proc/1/stat", O_RDONLY); return true;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"proc_files", set_up, check, spoil, NULL});
}
