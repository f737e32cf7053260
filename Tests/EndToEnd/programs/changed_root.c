// A process with another root folder (chroot), and what it still holds open of the world outside.

#include "probe.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static struct exchange *exchange;
static struct {
    volatile int mistake;
} *report;
static int outside;
static pid_t child;

static int look_around(void) {
    char text[100] = "";
    struct stat info, root, up;
    int file = open("/inside", O_RDONLY);
    if (file < 0) return __LINE__;
    if (read(file, text, sizeof text - 1) < 0 || close(file) < 0 || strcmp(text, "inside the new root") != 0)
        return __LINE__;
    if (stat("/tmp", &info) != -1) return __LINE__;
    if (getcwd(text, sizeof text) == NULL || strcmp(text, "/folder") != 0) return __LINE__;
    if (stat("/", &root) < 0 || stat("/..", &up) < 0 || root.st_ino != up.st_ino) return __LINE__;
    if (stat("../inside", &info) < 0) return __LINE__;
    if (fstatat(outside, "changed_root.root", &info, 0) < 0 || info.st_ino != root.st_ino) return __LINE__;
    return 0;
}

static _Noreturn void live_inside(void) {
    if (chroot("/tmp/changed_root.root") < 0 || chdir("/folder") < 0) _exit(1);
    for (;;) {
        if (exchange_is_open(exchange)) {
            report->mistake = look_around();
            exchange_answer(exchange);
        }
        probe_pause_ms(2);
    }
}

static void set_up(void) {
    exchange = probe_shared(sizeof *exchange);
    report = probe_shared(sizeof *report);
    outside = MUST(open("/tmp", O_RDONLY | O_DIRECTORY));
    MUST(mkdir("/tmp/changed_root.root", 0755));
    MUST(mkdir("/tmp/changed_root.root/folder", 0755));
    probe_write("/tmp/changed_root.root/inside", "inside the new root");
    child = MUST(fork());
    if (child == 0) live_inside();
}

static void check(void) {
    char path[64], root[200];
    exchange_ask(exchange);
    EXPECT(!report->mistake, "the process inside found something wrong in line %d", report->mistake);
    snprintf(path, sizeof path, "/proc/%d/root", child);
    EXPECT_TEXT(probe_link(path, root, sizeof root), "/tmp/changed_root.root", "its root, seen from outside");
    snprintf(path, sizeof path, "/proc/%d/cwd", child);
    EXPECT_TEXT(probe_link(path, root, sizeof root), "/tmp/changed_root.root/folder",
                "its working directory, seen from outside");
}

static bool spoil(int way) {
    switch (way) {
    case 0: return kill(child, SIGKILL) == 0;
    case 1: return rename("/tmp/changed_root.root/folder", "/tmp/changed_root.root/other") == 0;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"changed_root", set_up, check, spoil, NULL});
}
