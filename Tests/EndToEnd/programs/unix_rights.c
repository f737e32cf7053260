// Descriptors in flight: sent through a unix socket and not received yet, with the text and the credentials beside
// them.

#include "probe.h"
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static int pair[2], datagrams[2], pipe_end, file;

static void send_descriptors(int socket, const char *text, const int *descriptors, int count) {
    char control[CMSG_SPACE(4 * sizeof(int))] = {0};
    struct iovec part = {(char *)text, strlen(text)};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET, header->cmsg_type = SCM_RIGHTS, header->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(header), descriptors, count * sizeof(int));
    EXPECT_EQ(sendmsg(socket, &message, 0), strlen(text), "sendmsg");
}

// Receives a message; how many descriptors came with it. Checks the sender's credentials where they come too.
static int receive(int socket, const char *text, int *descriptors) {
    char control[256], found[100] = "";
    struct iovec part = {found, sizeof found - 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
                             .msg_controllen = sizeof control};
    MUST(recvmsg(socket, &message, MSG_DONTWAIT));
    EXPECT_TEXT(found, text, "the text beside the descriptors");
    int count = 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_type == SCM_RIGHTS) {
            count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            memcpy(descriptors, CMSG_DATA(header), count * sizeof(int));
        } else if (header->cmsg_type == SCM_CREDENTIALS) {
            struct ucred sender;
            memcpy(&sender, CMSG_DATA(header), sizeof sender);
            EXPECT_EQ(sender.pid, getpid(), "the sender");
            EXPECT_EQ(sender.uid, getuid(), "the sender's user");
        }
    }
    return count;
}

static int asked;

static void launch(void) {
    int ends[2], lonely[2];
    MUST(pipe(ends));
    EXPECT_EQ(write(ends[1], "in the pipe", 11), 11, "write");
    file = MUST(open("/tmp/unix_rights.file", O_RDWR | O_CREAT | O_TRUNC, 0600));
    EXPECT_EQ(write(file, "0123456789", 10), 10, "write");
    MUST(lseek(file, 4, SEEK_SET));
    int two[] = {ends[0], file};
    send_descriptors(pair[0], "two of them", two, 2);
    MUST(close(ends[0])); // the pipe's end lives on in flight only
    pipe_end = ends[1];
    // A socket in flight that itself holds something, and the descriptor of which is in flight nowhere else.
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, lonely));
    EXPECT_EQ(write(lonely[0], "nested", 6), 6, "write");
    send_descriptors(datagrams[0], "a socket", &lonely[1], 1);
    MUST(close(lonely[0]));
    MUST(close(lonely[1]));
}

static void set_up(void) {
    int yes = 1;
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, datagrams));
    MUST(setsockopt(datagrams[1], SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes));
    launch();
}

static void check(void) {
    int got[4];
    char byte;
    EXPECT_EQ(receive(pair[1], "two of them", got), 2, "the number of descriptors");
    probe_expect_content(got[0], "in the pipe", "what lies in the pipe in flight");
    EXPECT_EQ(write(pipe_end, "more", 4), 4, "write");
    probe_expect_content(got[0], "more", "what was written to it since");
    EXPECT_EQ(read(got[1], &byte, 1), 1, "read");
    EXPECT_EQ(byte, '4', "the byte at the offset of the file in flight");
    EXPECT_EQ(lseek(file, 0, SEEK_CUR), 5, "the offset that both descriptors share");
    MUST(close(got[0]));
    MUST(close(got[1]));
    MUST(close(file));
    MUST(close(pipe_end));
    EXPECT_EQ(receive(datagrams[1], "a socket", got), 1, "the number of descriptors");
    probe_expect_content(got[0], "nested", "what lies in the socket in flight");
    MUST(close(got[0]));
    asked++;
    launch();
}

static bool spoil(int way) {
    char byte;
    switch (way) {
    case 0: return recv(pair[1], &byte, 1, 0) == 1; // the descriptors go with the first byte
    case 1: return lseek(file, 0, SEEK_SET) == 0;
    case 2: return write(pipe_end, "x", 1) == 1;
    case 3: return recv(datagrams[1], &byte, 1, 0) == 1;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"unix_rights", set_up, check, spoil, NULL});
}
