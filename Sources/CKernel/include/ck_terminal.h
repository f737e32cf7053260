// Pseudo-terminals: ioctl is variadic, and glibc hides some of its requests.
#pragma once

// Each takes the master's descriptor. -1 with errno on failure.
int ck_terminal_unlock(int master);
// 1 in packet mode (ioctl_tty(2), TIOCPKT), else 0.
int ck_terminal_is_packeted(int master);
// Opens the slave (close-on-exec, not as a controlling terminal) in whichever devpts the master is of. Linux 4.13.
int ck_terminal_open_slave(int master);
// The number under which the slave stands in its devpts.
int ck_terminal_number(int master);
// In character cells. The kernel sends SIGWINCH to the foreground group when the size changes.
int ck_terminal_set_size(int master, unsigned short columns, unsigned short rows);
int ck_terminal_get_size(int master, unsigned short *columns, unsigned short *rows);
// Has the line editing erase whole UTF-8 characters (IUTF8 of termios(3)).
int ck_terminal_expect_utf8(int master);
// The character that ends the input (VEOF of termios(3)); 0 when it is switched off.
int ck_terminal_end_of_file(int master);
