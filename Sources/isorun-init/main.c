#include "init.h"
#include "system.h"
#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/poll.h>
#include <linux/resource.h>
#include <linux/signal.h>
#include <linux/uio.h>
#include <linux/wait.h>

// <sys/socket.h> belongs to libc; these are the kernel's socket.h in the shape that recvmsg(2) documents.
struct message {
    void *name;
    int name_length;
    struct iovec *vectors;
    size_t vector_count;
    void *control;
    size_t control_length;
    unsigned flags;
};
struct control {
    size_t length;
    int level, type;
    int descriptors[ISORUN_SPAWN_DESCRIPTORS];
};
#define SOCKET_LEVEL 1              // SOL_SOCKET
#define PASSED_DESCRIPTORS 1        // SCM_RIGHTS
#define CLOSE_ON_EXEC 0x40000000    // MSG_CMSG_CLOEXEC
#define NO_SIGNAL 0x4000            // MSG_NOSIGNAL
#define HIGHEST_SIGNAL 64           // _NSIG
#define CHILD_SIGNAL_MASK (1ull << (SIGCHLD - 1))

__attribute__((noreturn)) static void finish(int status) {
    for (;;) SYSCALL(__NR_exit_group, status);
}

// Ends PID 1, and with it the sandbox, when the engine is gone.
static void send_event(const struct isorun_event *event) {
    long result;
    do {
        result = SYSCALL(__NR_sendto, ISORUN_INIT_SOCKET, event, sizeof *event, NO_SIGNAL, NULL, 0);
    } while (result == -EINTR);
    if (result != sizeof *event) finish(1);
}

static void answer(uint32_t success, uint32_t failure, uint64_t tag, struct outcome outcome, int pid) {
    struct isorun_event event = {
        .kind = outcome.error ? failure : success, .step = outcome.step, .tag = tag, .error = outcome.error, .pid = pid};
    send_event(&event);
}

// MARK: Receiving

static void receive_exactly(char *to, size_t size) {
    while (size > 0) {
        long got = SYSCALL(__NR_read, ISORUN_INIT_SOCKET, to, size);
        if (got == -EINTR) continue;
        if (got <= 0) finish(0);
        to += got;
        size -= (size_t)got;
    }
}

// Receives a request's header and the descriptors that come with it; how many.
static int receive_header(struct isorun_request *request, int *descriptors) {
    struct control control;
    struct iovec vector = {request, sizeof *request};
    struct message message = {
        .vectors = &vector, .vector_count = 1, .control = &control, .control_length = sizeof control};
    long got;
    do {
        got = SYSCALL(__NR_recvmsg, ISORUN_INIT_SOCKET, &message, CLOSE_ON_EXEC);
    } while (got == -EINTR);
    if (got <= 0) finish(0);
    int count = 0;
    if (message.control_length >= sizeof(size_t) + 2 * sizeof(int) && control.level == SOCKET_LEVEL &&
        control.type == PASSED_DESCRIPTORS)
        count = (int)((control.length - (sizeof(size_t) + 2 * sizeof(int))) / sizeof(int));
    memcpy(descriptors, control.descriptors, sizeof control.descriptors);
    receive_exactly((char *)request + got, sizeof *request - (size_t)got);
    return count;
}

// MARK: Requests

static struct outcome set_up(const void *payload, uint32_t size) {
    const struct isorun_setup *setup = payload;
    if (size < sizeof *setup || size - sizeof *setup != setup->filter_length * 8ul)
        return (struct outcome){ISORUN_STEP_REQUEST, EINVAL};
    struct outcome outcome = build_mounts(setup->terminal_group);
    if (!outcome.error) outcome = raise_loopback();
    if (!outcome.error) outcome = drop_privileges(setup, setup + 1);
    return outcome;
}

static void handle_request(void) {
    struct isorun_request request;
    int descriptors[ISORUN_SPAWN_DESCRIPTORS];
    int count = receive_header(&request, descriptors);
    if (request.size > ISORUN_REQUEST_LIMIT) finish(1);
    long payload = SYSCALL(
        __NR_mmap, 0, request.size + 1ul, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (payload < 0) finish(1);
    receive_exactly((char *)payload, request.size);

    if (request.kind == ISORUN_SETUP) {
        answer(ISORUN_READY, ISORUN_READY, request.tag, set_up((void *)payload, request.size), 1);
    } else if (request.kind == ISORUN_SPAWN && count == ISORUN_SPAWN_DESCRIPTORS) {
        int pid = 0;
        struct outcome outcome = spawn((void *)payload, request.size, descriptors, &pid);
        answer(ISORUN_STARTED, ISORUN_REFUSED, request.tag, outcome, pid);
    } else {
        answer(ISORUN_REFUSED, ISORUN_REFUSED, request.tag, (struct outcome){ISORUN_STEP_REQUEST, EINVAL}, 0);
    }
    for (int i = 0; i < count; i++) SYSCALL(__NR_close, descriptors[i]);
    SYSCALL(__NR_munmap, payload, request.size + 1ul);
}

static uint64_t microseconds(struct __kernel_old_timeval time) {
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_usec;
}

static void reap(void) {
    for (;;) {
        struct rusage usage;
        int status;
        long pid = SYSCALL(__NR_wait4, -1, &status, WNOHANG, &usage);
        if (pid <= 0) return;
        struct isorun_event event = {
            .kind = ISORUN_EXITED,
            .pid = (int)pid,
            .status = status,
            .cpu_microseconds = microseconds(usage.ru_utime) + microseconds(usage.ru_stime),
            .peak_memory_bytes = (uint64_t)usage.ru_maxrss * 1024,
        };
        send_event(&event);
    }
}

__attribute__((noreturn)) static void serve(void) {
    uint64_t all_signals = ~0ull, child_signal = CHILD_SIGNAL_MASK;
    SYSCALL(__NR_rt_sigprocmask, SIG_SETMASK, &all_signals, NULL, sizeof all_signals);
    long signals = SYSCALL(__NR_signalfd4, -1, &child_signal, sizeof child_signal, O_CLOEXEC | O_NONBLOCK);
    if (signals < 0) finish(1);
    struct pollfd polled[2] = {{.fd = ISORUN_INIT_SOCKET, .events = POLLIN}, {.fd = (int)signals, .events = POLLIN}};
    for (;;) {
        if (SYSCALL(__NR_poll, polled, 2, -1) <= 0) continue;
        if (polled[1].revents) {
            char discarded[128]; // struct signalfd_siginfo; which child it was, wait4 tells
            SYSCALL(__NR_read, signals, discarded, sizeof discarded);
            reap();
        }
        if (polled[0].revents) handle_request();
    }
}

// The kernel enters here with the stack pointer on argc; a call aligns it as the ABI wants.
__attribute__((naked, noreturn)) void _start(void) {
    __asm__("xor %ebp, %ebp\n\t"
            "and $-16, %rsp\n\t"
            "call start_serving");
}

__attribute__((noreturn, used)) void start_serving(void) {
    // Descriptors 0 to 2 are the engine's own. They are replaced, not closed: a received descriptor that took one of
    // their numbers would keep its close-on-exec flag through the child's dup2.
    for (int standard = 0; standard < 3; standard++) SYSCALL(__NR_dup2, ISORUN_INIT_SOCKET, standard);
    SYSCALL(__NR_fcntl, ISORUN_INIT_SOCKET, F_SETFD, FD_CLOEXEC);
    // An ignored signal stays ignored in every program that is executed: the engine ignores SIGPIPE, and whoever started
    // the engine may have ignored others, as a shell does for its background jobs. SIGKILL and SIGSTOP refuse, harmlessly.
    struct { uint64_t handler, flags, restorer, mask; } default_action = {0};
    for (int signal = 1; signal <= HIGHEST_SIGNAL; signal++)
        SYSCALL(__NR_rt_sigaction, signal, &default_action, NULL, sizeof default_action.mask);
    serve();
}
