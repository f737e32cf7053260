// File locks: flock, POSIX record locks with their owners, locks of open file descriptions; of parent and child.

#include "probe.h"
#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

static int whole, shared_lock, records, descriptions, inherited;
static pid_t child;

static struct flock range(int type, off_t start, off_t length) {
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
}

static int make(const char *path) {
    return MUST(open(path, O_RDWR | O_CREAT, 0600));
}

static void set_up_child(void) {
    struct flock lock = range(F_WRLCK, 500, 50);
    MUST(fcntl(records, F_SETLK, &lock));
    lock = range(F_RDLCK, 600, 0);
    MUST(fcntl(records, F_SETLK, &lock));
}

static void check_child(void) {
    // The parent's locks stand in the child's way.
    struct flock lock = range(F_WRLCK, 110, 1);
    MUST(fcntl(records, F_GETLK, &lock));
    EXPECT_EQ(lock.l_type, F_WRLCK, "the type of the parent's lock");
    EXPECT_EQ(lock.l_pid, getppid(), "the owner of the parent's lock");
    EXPECT_EQ(lock.l_start, 100, "the start of the parent's lock");
    EXPECT_EQ(lock.l_len, 20, "the length of the parent's lock");
}

static void set_up(void) {
    whole = make("/tmp/locks.whole");
    MUST(flock(whole, LOCK_EX));
    shared_lock = make("/tmp/locks.shared");
    MUST(flock(shared_lock, LOCK_SH));
    records = make("/tmp/locks.records");
    struct flock lock = range(F_WRLCK, 100, 20);
    MUST(fcntl(records, F_SETLK, &lock));
    lock = range(F_RDLCK, 200, 10);
    MUST(fcntl(records, F_SETLK, &lock));
    descriptions = make("/tmp/locks.descriptions");
    lock = range(F_WRLCK, 0, 10);
    MUST(fcntl(descriptions, F_OFD_SETLK, &lock));
    inherited = make("/tmp/locks.inherited");
    MUST(flock(inherited, LOCK_EX));
    child = probe_fork_role("child", set_up_child, check_child, NULL);
}

// Whether a stranger, who opens the file anew, would get the lock.
static void expect_refused(const char *path, int operation) {
    int file = MUST(open(path, O_RDWR));
    MUST_FAIL(flock(file, operation | LOCK_NB), EWOULDBLOCK);
    close(file);
}

static void expect_lock(int start, int type, int owner, int first, int length, const char *what) {
    struct flock lock = range(F_WRLCK, start, 1);
    MUST(fcntl(records, F_GETLK, &lock));
    EXPECT_EQ(lock.l_type, type, what);
    if (type == F_UNLCK) return;
    EXPECT_EQ(lock.l_pid, owner, what);
    EXPECT_EQ(lock.l_start, first, what);
    EXPECT_EQ(lock.l_len, length, what);
}

static void check(void) {
    expect_refused("/tmp/locks.whole", LOCK_SH);
    expect_refused("/tmp/locks.shared", LOCK_EX);
    expect_refused("/tmp/locks.inherited", LOCK_SH);
    int file = MUST(open("/tmp/locks.shared", O_RDWR));
    MUST(flock(file, LOCK_SH | LOCK_NB));
    close(file);
    expect_lock(510, F_WRLCK, child, 500, 50, "the child's lock");
    expect_lock(9999, F_RDLCK, child, 600, 0, "the child's lock to the end");
    expect_lock(560, F_UNLCK, 0, 0, 0, "a free range");
    file = MUST(open("/tmp/locks.descriptions", O_RDWR));
    struct flock lock = range(F_WRLCK, 5, 1);
    MUST_FAIL(fcntl(file, F_OFD_SETLK, &lock), EAGAIN);
    lock = range(F_WRLCK, 10, 1);
    MUST(fcntl(file, F_OFD_SETLK, &lock));
    close(file);
    // The lock by flock belongs to the open file, which is the child's as well: unlocked here, it is free, and taken
    // again.
    MUST(flock(inherited, LOCK_UN));
    file = MUST(open("/tmp/locks.inherited", O_RDWR));
    MUST(flock(file, LOCK_EX | LOCK_NB));
    close(file);
    MUST(flock(inherited, LOCK_EX));
    MUST(flock(whole, LOCK_EX | LOCK_NB)); // one's own lock is no hindrance
}

static bool spoil(int way) {
    struct flock lock;
    switch (way) {
    case 0: flock(whole, LOCK_UN); return true;
    case 1: lock = range(F_UNLCK, 100, 20), fcntl(records, F_SETLK, &lock); return true;
    case 2: lock = range(F_UNLCK, 0, 0), fcntl(descriptions, F_OFD_SETLK, &lock); return true;
    case 3: flock(shared_lock, LOCK_EX | LOCK_NB); return true;
    case 4: // the child's, as if it were the parent's
        lock = range(F_UNLCK, 115, 5), fcntl(records, F_SETLK, &lock);
        return true;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"locks", set_up, check, spoil, NULL});
}
