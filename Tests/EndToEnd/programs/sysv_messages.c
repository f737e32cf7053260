// System V message queues: what lies in one, in order and by type, its limits, and a process that waits for a message.

#include "probe.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <unistd.h>

#define KEY 0x15015018
#define LARGE 8000
#define CAPACITY 12000

enum { REQUEST = 1000, ANSWER };

struct message {
    long type;
    char text[LARGE];
};

static int id, talk_id;
static struct message message;

static void send_text(int queue, long type, const char *text) {
    message.type = type;
    strcpy(message.text, text);
    MUST(msgsnd(queue, &message, strlen(text) + 1, IPC_NOWAIT));
}

static void expect_text(int queue, long type, const char *text, const char *what) {
    MUST(msgrcv(queue, &message, LARGE, type, IPC_NOWAIT));
    EXPECT_TEXT(message.text, text, what);
}

static void fill(void) {
    send_text(id, 5, "the first one");
    send_text(id, 7, "the second one");
    send_text(id, 5, "the third one");
    message.type = 9;
    for (int i = 0; i < LARGE; i++) message.text[i] = (char)probe_pattern(i);
    MUST(msgsnd(id, &message, LARGE, IPC_NOWAIT));
    message.type = 1;
    MUST(msgsnd(id, &message, 0, IPC_NOWAIT));
}

static void answer_requests(void) {
    if (fork() != 0) return;
    struct message request;
    while (msgrcv(talk_id, &request, LARGE, REQUEST, 0) >= 0) {
        request.type = ANSWER;
        strcat(request.text, " answered");
        if (msgsnd(talk_id, &request, strlen(request.text) + 1, 0) != 0) break;
    }
    _exit(1);
}

static void set_up(void) {
    id = MUST(msgget(KEY, IPC_CREAT | 0640));
    talk_id = MUST(msgget(IPC_PRIVATE, IPC_CREAT | 0600));
    struct msqid_ds facts;
    MUST(msgctl(id, IPC_STAT, &facts));
    facts.msg_qbytes = CAPACITY;
    MUST(msgctl(id, IPC_SET, &facts));
    fill();
    answer_requests();
}

static void check(void) {
    EXPECT_EQ(MUST(msgget(KEY, 0)), id, "the queue found by its key");
    struct msqid_ds facts;
    MUST(msgctl(id, IPC_STAT, &facts));
    EXPECT_EQ(facts.msg_perm.mode & 0777, 0640, "the queue's mode");
    EXPECT_EQ(facts.msg_qbytes, CAPACITY, "the queue's capacity");
    EXPECT_EQ(facts.msg_qnum, 5, "how many messages there are");
    expect_text(id, 7, "the second one", "a message of a type");
    expect_text(id, 5, "the first one", "the first one of its type");
    expect_text(id, 0, "the third one", "the oldest one left");
    EXPECT_EQ(MUST(msgrcv(id, &message, LARGE, 0, IPC_NOWAIT)), LARGE, "the size of the large one");
    EXPECT_EQ(message.type, 9, "the type of the large one");
    for (int i = 0; i < LARGE; i++) EXPECT_EQ(message.text[i], (char)probe_pattern(i), "a byte of the large one");
    EXPECT_EQ(MUST(msgrcv(id, &message, LARGE, 0, IPC_NOWAIT)), 0, "the size of the empty one");
    fill();
    send_text(talk_id, REQUEST, "a request");
    MUST(msgrcv(talk_id, &message, LARGE, ANSWER, 0));
    EXPECT_TEXT(message.text, "a request answered", "the other process's answer");
}

static bool spoil(int way) {
    switch (way) {
    case 0: msgrcv(id, &message, LARGE, 7, IPC_NOWAIT); return true;
    case 1: msgctl(id, IPC_RMID, NULL); return true;
    case 2: send_text(id, 3, "one too many"); return true;
    default: return false;
    }
}

int main(void) {
    probe_main(&(struct probe){"sysv_messages", set_up, check, spoil, NULL});
}
