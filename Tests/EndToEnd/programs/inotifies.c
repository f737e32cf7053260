// inotify: its watches with their numbers and masks, which keep telling of the same files. Events that nobody has read
// yet are a program's to lose (inotify(7): its queue may overflow), so none is left unread here.

#include "probe.h"
#include <fcntl.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

static int instance, folder, file, once, moved, other_instance, other_watch;

static void set_up(void) {
    MUST(mkdir("/tmp/inotifies.folder", 0755));
    MUST(mkdir("/tmp/inotifies.from", 0755));
    probe_write("/tmp/inotifies.file", "x");
    probe_write("/tmp/inotifies.once", "x");
    instance = MUST(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    int removed = MUST(inotify_add_watch(instance, "/tmp", IN_MOVED_TO)); // so that the numbers have a gap
    folder = MUST(inotify_add_watch(instance, "/tmp/inotifies.folder", IN_CREATE | IN_DELETE | IN_ONLYDIR));
    file = MUST(inotify_add_watch(instance, "/tmp/inotifies.file", IN_MODIFY | IN_ATTRIB));
    moved = MUST(inotify_add_watch(instance, "/tmp/inotifies.from", IN_CREATE));
    MUST(inotify_rm_watch(instance, removed));
    MUST(rename("/tmp/inotifies.from", "/tmp/inotifies.to"));
    char buffer[4096];
    EXPECT(read(instance, buffer, sizeof buffer) > 0, "read of what the removed watch left");
    other_instance = MUST(inotify_init1(IN_NONBLOCK));
    other_watch = MUST(inotify_add_watch(other_instance, "/tmp/inotifies.file", IN_OPEN));
    once = MUST(inotify_add_watch(other_instance, "/tmp/inotifies.once", IN_ATTRIB));
}

static void expect_event(int from, int watch, uint32_t mask, const char *name, const char *what) {
    char buffer[sizeof(struct inotify_event) + 256];
    ssize_t length = read(from, buffer, sizeof(struct inotify_event) + (name ? 16 : 0));
    EXPECT(length > 0, "%s is not told", what);
    struct inotify_event *event = (struct inotify_event *)buffer;
    EXPECT_EQ(event->wd, watch, what);
    EXPECT_EQ(event->mask, mask, what);
    if (name) EXPECT_TEXT(event->name, name, what);
}

static void expect_silence(int from) {
    char buffer[4096];
    ssize_t length = read(from, buffer, sizeof buffer);
    struct inotify_event *event = (struct inotify_event *)buffer;
    EXPECT(length == -1 && errno == EAGAIN, "an event that was not asked for: watch %d, mask %#x", event->wd,
           event->mask);
}

static void check(void) {
    expect_silence(instance);
    expect_silence(other_instance);
    close(MUST(open("/tmp/inotifies.folder/new", O_WRONLY | O_CREAT, 0600)));
    expect_event(instance, folder, IN_CREATE, "new", "a new file");
    MUST(unlink("/tmp/inotifies.folder/new"));
    expect_event(instance, folder, IN_DELETE, "new", "a deleted file");
    MUST(chmod("/tmp/inotifies.file", 0600));
    expect_event(instance, file, IN_ATTRIB, NULL, "a changed mode");
    int opened = MUST(open("/tmp/inotifies.file", O_WRONLY));
    expect_event(other_instance, other_watch, IN_OPEN, NULL, "an open");
    EXPECT_EQ(write(opened, "y", 1), 1, "write");
    close(opened);
    expect_event(instance, file, IN_MODIFY, NULL, "a change");
    close(MUST(open("/tmp/inotifies.to/new", O_WRONLY | O_CREAT, 0600)));
    expect_event(instance, moved, IN_CREATE, "new", "a new file in a renamed folder");
    MUST(unlink("/tmp/inotifies.to/new"));
    MUST(chmod("/tmp/inotifies.once", 0600));
    expect_event(other_instance, once, IN_ATTRIB, NULL, "a changed mode, at the other instance");
    expect_silence(instance);
    expect_silence(other_instance);
}

static bool spoil(int way) {
    switch (way) {
    case 0: inotify_rm_watch(instance, moved), inotify_add_watch(instance, "/tmp/inotifies.to", IN_CREATE); return true;
    case 1: return inotify_add_watch(instance, "/tmp/inotifies.file", IN_MODIFY | IN_ATTRIB | IN_OPEN) == file;
    case 2: return chmod("/tmp/inotifies.file", 0600) == 0;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"inotifies", set_up, check, spoil, NULL});
}
