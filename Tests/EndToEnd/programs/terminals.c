// Pseudo-terminals: the master here, a session of its own on the slave. Size, modes, what has been typed and what has
// been printed, the controlling terminal, the foreground group, job control, a slave's number, a terminal without
// anybody on it.

#include "probe.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static int master, raw_master, raw_slave;
static char slave_path[64], raw_path[64];
static volatile struct {
    int interrupts, window_changes, foreground, background, rows, columns;
} *shared;
static pid_t leader;

static void on_interrupt(int signal) {
    shared->interrupts++;
}

static void on_window_change(int signal) {
    struct winsize size;
    if (ioctl(0, TIOCGWINSZ, &size) == 0) shared->rows = size.ws_row, shared->columns = size.ws_col;
    shared->window_changes++;
}

// The session: a leader, like a shell, a group in the foreground and one in the background.

static void set_up_leader(void) {
    close(master);
    MUST(setsid());
    int slave = MUST(open(slave_path, O_RDWR)); // becomes the controlling terminal
    for (int i = 0; i < 3; i++) MUST(dup2(slave, i));
    close(slave);
    signal(SIGTTOU, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    pid_t background = MUST(fork());
    if (background == 0)
        for (setpgid(0, 0); shared; pause()) {}
    pid_t foreground = MUST(fork());
    if (foreground == 0) {
        setpgid(0, 0);
        signal(SIGINT, on_interrupt);
        signal(SIGWINCH, on_window_change);
        shared->foreground = getpid();
        for (;;) pause();
    }
    setpgid(foreground, foreground);
    setpgid(background, background);
    MUST(tcsetpgrp(0, foreground));
    EVENTUALLY(shared->foreground, "the foreground group does not start");
    shared->background = background;
}

static void check_leader(void) {
    char name[64];
    MUST_ZERO(ttyname_r(0, name, sizeof name));
    EXPECT_TEXT(name, slave_path, "the name of the terminal");
    EXPECT_EQ(tcgetpgrp(0), shared->foreground, "the foreground group");
    EXPECT_EQ(tcgetsid(0), getpid(), "the session of the terminal");
    int by_name = MUST(open("/dev/tty", O_RDWR | O_NOCTTY));
    EXPECT_EQ(tcgetpgrp(by_name), shared->foreground, "the foreground group by /dev/tty");
    close(by_name);
    EXPECT_EQ(getpgid(shared->background), shared->background, "the background group");
    EXPECT_EQ(getsid(shared->background), getpid(), "the session of the background group");
}

static int open_master(char *path) {
    int opened = MUST(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    MUST(grantpt(opened));
    MUST(unlockpt(opened));
    MUST_ZERO(ptsname_r(opened, path, 64));
    return opened;
}

static void type(int terminal, const char *text) {
    EXPECT_EQ(write(terminal, text, strlen(text)), strlen(text), "write");
}

static void set_modes(void) {
    struct termios modes;
    MUST(tcgetattr(raw_slave, &modes));
    cfmakeraw(&modes);
    modes.c_cc[VMIN] = 3;
    modes.c_cc[VTIME] = 7;
    modes.c_cflag |= CSTOPB;
    cfsetspeed(&modes, B9600);
    MUST(tcsetattr(raw_slave, TCSANOW, &modes));
}

static void set_up(void) {
    shared = probe_shared(sizeof *shared);
    int gap = MUST(posix_openpt(O_RDWR | O_NOCTTY)); // so that the numbers have a gap
    master = open_master(slave_path);
    raw_master = open_master(raw_path);
    close(gap);
    MUST(ioctl(master, TIOCSWINSZ, &(struct winsize){.ws_row = 44, .ws_col = 155}));
    leader = probe_fork_role("leader", set_up_leader, check_leader, NULL);
    raw_slave = MUST(open(raw_path, O_RDWR | O_NOCTTY));
    set_modes();
    type(raw_slave, "printed and not read");
    type(raw_master, "typed and not read");
    EVENTUALLY(shared->background, "the session does not start");
    // Half a line, and a whole one before it, wait in the line discipline; the echo waits at the master.
    struct termios modes;
    MUST(tcgetattr(master, &modes));
    modes.c_cc[VINTR] = 7;
    MUST(tcsetattr(master, TCSANOW, &modes));
    type(master, "a line\nhalf a l");
}

static void check_raw(void) {
    struct termios modes;
    MUST(tcgetattr(raw_slave, &modes));
    EXPECT(!(modes.c_lflag & (ICANON | ECHO | ISIG)) && !(modes.c_oflag & OPOST), "the terminal is not raw any more");
    EXPECT_EQ(modes.c_cc[VMIN], 3, "VMIN");
    EXPECT_EQ(modes.c_cc[VTIME], 7, "VTIME");
    EXPECT(modes.c_cflag & CSTOPB, "two stop bits have become one");
    EXPECT_EQ(cfgetospeed(&modes), B9600, "the speed");
    probe_expect_content(raw_master, "printed and not read", "what was printed");
    probe_expect_content(raw_slave, "typed and not read", "what was typed");
    type(raw_slave, "printed and not read");
    type(raw_master, "typed and not read");
}

static int asked;

static void check(void) {
    check_raw();
    struct winsize size;
    MUST(ioctl(master, TIOCGWINSZ, &size));
    EXPECT_EQ(size.ws_row, 44 + asked, "the terminal's rows");
    EXPECT_EQ(size.ws_col, 155, "the terminal's columns");
    struct termios modes;
    MUST(tcgetattr(master, &modes));
    EXPECT(modes.c_lflag & ICANON && modes.c_lflag & ECHO, "the terminal is not in canonical mode");
    EXPECT_EQ(modes.c_cc[VINTR], 7, "the character that interrupts");
    // The slave reads the line, not the half one, which is then completed.
    char text[200];
    int slave = MUST(open(slave_path, O_RDWR | O_NOCTTY | O_NONBLOCK));
    probe_expect_content(master, "a line\r\nhalf a l", "the echo");
    EXPECT_EQ(read(slave, text, sizeof text), 7, "the line that was typed");
    EXPECT_EQ(memcmp(text, "a line\n", 7), 0, "the line that was typed");
    MUST_FAIL(read(slave, text, sizeof text), EAGAIN);
    type(master, "ine\n");
    EXPECT_EQ(read(slave, text, sizeof text), 12, "the line that was typed in two halves");
    EXPECT_EQ(memcmp(text, "half a line\n", 12), 0, "the line that was typed in two halves");
    probe_expect_content(master, "ine\r\n", "the echo of the second half");
    // Signals of the terminal reach the foreground group.
    int interrupts = shared->interrupts, changes = shared->window_changes;
    type(master, "\7");
    EVENTUALLY(shared->interrupts == interrupts + 1, "the foreground group is not interrupted");
    probe_expect_content(master, "^G", "the echo of the interrupt");
    asked++;
    MUST(ioctl(master, TIOCSWINSZ, &(struct winsize){.ws_row = 44 + asked, .ws_col = 155}));
    EVENTUALLY(shared->window_changes == changes + 1, "the foreground group is not told of the new size");
    EXPECT_EQ(shared->rows, 44 + asked, "the new size");
    type(master, "a line\nhalf a l");
    close(slave);
}

static bool spoil(int way) {
    struct termios modes;
    char byte;
    switch (way) {
    case 0: return ioctl(master, TIOCSWINSZ, &(struct winsize){.ws_row = 24, .ws_col = 80}) == 0;
    case 1: tcgetattr(raw_slave, &modes), modes.c_lflag |= ECHO; return tcsetattr(raw_slave, TCSANOW, &modes) == 0;
    case 2: return read(raw_slave, &byte, 1) == 1;
    case 3: return read(master, &byte, 1) == 1;
    case 4: { // what was typed is lost
        int slave = open(slave_path, O_RDWR | O_NOCTTY);
        return tcflush(slave, TCIFLUSH) == 0 && close(slave) == 0;
    }
    case 5: kill(shared->foreground, SIGKILL); return true;
    case 6: return kill(shared->background, SIGKILL) == 0 && kill(leader, SIGKILL) == 0;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"terminals", set_up, check, spoil, NULL});
}
