#define _GNU_SOURCE
#include "ck_terminal.h"
#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>

int ck_terminal_unlock(int master) {
    int locked = 0;
    return ioctl(master, TIOCSPTLCK, &locked);
}

int ck_terminal_is_packeted(int master) {
    int mode;
    return ioctl(master, TIOCGPKT, &mode) == 0 ? mode != 0 : -1;
}

int ck_terminal_open_slave(int master) {
    // O_CLOEXEC would stay in the description's own flags, where fdinfo shows it for every descriptor of it: open(2) takes it out
    // of them, this request does not.
    int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
    if (slave >= 0) fcntl(slave, F_SETFD, FD_CLOEXEC);
    return slave;
}

int ck_terminal_number(int master) {
    unsigned number;
    return ioctl(master, TIOCGPTN, &number) == 0 ? (int)number : -1;
}

int ck_terminal_set_size(int master, unsigned short columns, unsigned short rows) {
    struct winsize size = {.ws_col = columns, .ws_row = rows};
    return ioctl(master, TIOCSWINSZ, &size);
}

int ck_terminal_get_size(int master, unsigned short *columns, unsigned short *rows) {
    struct winsize size;
    if (ioctl(master, TIOCGWINSZ, &size) != 0) return -1;
    *columns = size.ws_col;
    *rows = size.ws_row;
    return 0;
}

int ck_terminal_expect_utf8(int master) {
    struct termios modes;
    if (tcgetattr(master, &modes) != 0) return -1;
    modes.c_iflag |= IUTF8;
    return tcsetattr(master, TCSANOW, &modes);
}

int ck_terminal_end_of_file(int master) {
    struct termios modes;
    return tcgetattr(master, &modes) == 0 ? modes.c_cc[VEOF] : -1;
}
