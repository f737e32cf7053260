// Unix sockets with addresses: listeners with a path and without, connections that are accepted, one that is not yet and
// one whose client has left, datagrams from senders with names, a listener whose path is deleted.

#include "probe.h"
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int listener, abstract, client, accepted, waiting, receiver, sender, connected_sender, hidden, hidden_client,
    hidden_end, left_alone;

static socklen_t named(struct sockaddr_un *address, const char *name) {
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    strcpy(address->sun_path, name);
    if (name[0] != '@') return sizeof *address;
    address->sun_path[0] = 0; // the abstract kind, unix(7)
    return offsetof(struct sockaddr_un, sun_path) + strlen(name);
}

static int bound(int type, const char *name) {
    struct sockaddr_un address;
    socklen_t length = named(&address, name);
    int made = MUST(socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    MUST(bind(made, (struct sockaddr *)&address, length));
    if (type == SOCK_STREAM) MUST(listen(made, 3));
    return made;
}

static void join(int socket, const char *name) {
    struct sockaddr_un address;
    socklen_t length = named(&address, name);
    MUST(connect(socket, (struct sockaddr *)&address, length));
}

static int joined(int type, const char *name) {
    int made = MUST(socket(AF_UNIX, type, 0));
    join(made, name);
    return made;
}

static void put(int socket, const char *text) {
    EXPECT_EQ(send(socket, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL), strlen(text), text);
}

static void take(int socket, const char *text, const char *from) {
    char found[100] = "";
    struct sockaddr_un address = {0};
    socklen_t length = sizeof address;
    EXPECT(recvfrom(socket, found, sizeof found - 1, MSG_DONTWAIT, (struct sockaddr *)&address, &length) >= 0,
           "nothing lies in the socket where \"%s\" should: %s", text, strerror(errno));
    EXPECT_TEXT(found, text, "what lies in the socket");
    if (from) EXPECT_TEXT(length > 2 ? address.sun_path : "", from, "the address of the sender");
}

static void fill(void) {
    put(client, "to the server");
    put(accepted, "to the client");
    struct sockaddr_un address;
    socklen_t length = named(&address, "/tmp/unix_sockets.receiver");
    EXPECT_EQ(sendto(sender, "from a name", 11, 0, (struct sockaddr *)&address, length), 11, "sendto");
    put(connected_sender, "from nobody");
}

static void set_up(void) {
    listener = bound(SOCK_STREAM, "/tmp/unix_sockets.listener");
    abstract = bound(SOCK_STREAM, "@unix_sockets");
    client = joined(SOCK_STREAM, "/tmp/unix_sockets.listener");
    accepted = MUST(accept4(listener, NULL, NULL, SOCK_NONBLOCK));
    int leaving = joined(SOCK_STREAM, "/tmp/unix_sockets.listener");
    left_alone = MUST(accept4(listener, NULL, NULL, SOCK_NONBLOCK));
    put(leaving, "last words");
    close(leaving);
    waiting = joined(SOCK_STREAM, "@unix_sockets");
    receiver = bound(SOCK_DGRAM, "/tmp/unix_sockets.receiver");
    sender = bound(SOCK_DGRAM, "/tmp/unix_sockets.sender");
    connected_sender = joined(SOCK_DGRAM, "/tmp/unix_sockets.receiver");
    hidden = bound(SOCK_STREAM, "/tmp/unix_sockets.hidden");
    hidden_client = joined(SOCK_STREAM, "/tmp/unix_sockets.hidden");
    hidden_end = MUST(accept(hidden, NULL, NULL));
    MUST(unlink("/tmp/unix_sockets.hidden"));
    MUST(chmod("/tmp/unix_sockets.listener", 0660));
    fill();
}

static void expect_name(int socket, bool is_peer, const char *expected) {
    struct sockaddr_un address = {0};
    socklen_t length = sizeof address;
    MUST((is_peer ? getpeername : getsockname)(socket, (struct sockaddr *)&address, &length));
    EXPECT_TEXT(length > 2 ? address.sun_path : "", expected, is_peer ? "the peer's name" : "the name");
}

static void check_names(void) {
    expect_name(listener, false, "/tmp/unix_sockets.listener");
    expect_name(client, true, "/tmp/unix_sockets.listener");
    expect_name(client, false, "");
    expect_name(accepted, false, "/tmp/unix_sockets.listener");
    expect_name(accepted, true, "");
    expect_name(left_alone, false, "/tmp/unix_sockets.listener");
    expect_name(sender, false, "/tmp/unix_sockets.sender");
    expect_name(connected_sender, true, "/tmp/unix_sockets.receiver");
    expect_name(hidden, false, "/tmp/unix_sockets.hidden");
    struct stat info;
    MUST(stat("/tmp/unix_sockets.listener", &info));
    EXPECT_EQ(info.st_mode, S_IFSOCK | 0660, "the mode of the path");
    MUST_FAIL(stat("/tmp/unix_sockets.hidden", &info), ENOENT);
    int is_listener;
    socklen_t length = sizeof is_listener;
    MUST(getsockopt(listener, SOL_SOCKET, SO_ACCEPTCONN, &is_listener, &length));
    EXPECT_EQ(is_listener, 1, "whether it listens");
}

static void check(void) {
    check_names();
    take(accepted, "to the server", NULL);
    take(client, "to the client", NULL);
    take(receiver, "from a name", "/tmp/unix_sockets.sender");
    take(receiver, "from nobody", "");
    fill();
    char words[20] = "";
    EXPECT_EQ(recv(left_alone, words, sizeof words, MSG_PEEK), 10, "how much the client said before it left");
    EXPECT_TEXT(words, "last words", "what the client said before it left");
    // The connection that waits is accepted now, and another one waits from now on.
    int late = MUST(accept4(abstract, NULL, NULL, SOCK_NONBLOCK));
    put(waiting, "from a client that waited");
    take(late, "from a client that waited", NULL);
    put(late, "after the accept");
    take(waiting, "after the accept", NULL);
    close(late);
    int again = joined(SOCK_STREAM, "@unix_sockets");
    MUST(dup2(again, waiting));
    close(again);
    // New clients find the listener by its path.
    int fresh = joined(SOCK_STREAM, "/tmp/unix_sockets.listener"), end = MUST(accept(listener, NULL, NULL));
    put(fresh, "fresh");
    take(end, "fresh", NULL);
    close(fresh), close(end);
    put(hidden_client, "in hiding");
    take(hidden_end, "in hiding", NULL);
}

static bool spoil(int way) {
    char bytes[100];
    switch (way) {
    case 0: return unlink("/tmp/unix_sockets.listener") == 0;
    case 1: // bound anew: the path leads to a socket that does not listen
        unlink("/tmp/unix_sockets.receiver"), close(bound(SOCK_DGRAM, "/tmp/unix_sockets.receiver"));
        return true;
    case 2: return recv(accepted, bytes, 4, 0) == 4;
    case 3: return recv(receiver, bytes, 50, 0) > 0;
    case 4: close(accept(abstract, NULL, NULL)); return true;
    case 5: close(sender), sender = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); return true;
    case 6: return shutdown(hidden_end, SHUT_RDWR) == 0;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"unix_sockets", set_up, check, spoil, NULL});
}
