// A process that has given up root and keeps what it opened before: files that it could not open now, a low port, a
// socket of another user.

#include "probe.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static int secret, log_file, folder, no_mode, port;

static void set_up(void) {
    secret = MUST(open("/tmp/privileged_files.secret", O_RDWR | O_CREAT | O_TRUNC, 0600));
    EXPECT_EQ(write(secret, "only for root", 13), 13, "write");
    log_file = MUST(open("/tmp/privileged_files.log", O_WRONLY | O_APPEND | O_CREAT, 0200));
    MUST(mkdir("/tmp/privileged_files.folder", 0700));
    folder = MUST(open("/tmp/privileged_files.folder", O_RDONLY | O_DIRECTORY));
    no_mode = MUST(openat(folder, "closed", O_RDWR | O_CREAT, 0600));
    EXPECT_EQ(write(no_mode, "no mode", 7), 7, "write");
    MUST(fchmod(no_mode, 0));
    int yes = 1;
    port = MUST(socket(AF_INET, SOCK_STREAM, 0));
    MUST(setsockopt(port, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(81),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    MUST(bind(port, (struct sockaddr *)&address, sizeof address));
    MUST(listen(port, 1));
    MUST(setgroups(0, NULL));
    MUST(setresgid(3000, 3000, 3000));
    MUST(setresuid(3000, 3000, 3000));
    MUST(prctl(PR_SET_DUMPABLE, 1)); // so that it can be seen in /proc
}

static void check(void) {
    char text[20] = "";
    struct stat info;
    MUST_FAIL(open("/tmp/privileged_files.secret", O_RDONLY), EACCES);
    EXPECT_EQ(pread(secret, text, sizeof text, 0), 13, "read of a file that is only for root");
    EXPECT_TEXT(text, "only for root", "a file that is only for root");
    EXPECT_EQ(write(log_file, "x", 1), 1, "write to a file that only root may write to");
    EXPECT_EQ(pread(no_mode, text, sizeof text, 0), 7, "read of a file that nobody may open");
    MUST(fstat(folder, &info));
    EXPECT_EQ(info.st_mode & 0777, 0700, "the mode of root's folder");
    EXPECT_EQ(info.st_uid, 0, "the owner of root's folder");
    int client = MUST(socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(81),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    MUST(connect(client, (struct sockaddr *)&address, sizeof address));
    close(MUST(accept(port, NULL, NULL)));
    close(client);
}

static bool spoil(int way) {
    switch (way) {
    case 0: return close(secret) == 0;
    case 1: return dup2(secret, no_mode) == no_mode;
    case 2: return prctl(PR_SET_DUMPABLE, 0) == 0;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"privileged_files", set_up, check, spoil, NULL});
}
