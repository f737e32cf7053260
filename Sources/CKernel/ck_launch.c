#define _GNU_SOURCE
#include "ck_launch.h"
#include "ck_socket.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// What the launcher tells the new process once its id maps are written.
struct go {
    enum ck_id_mapping ids;
    int has_host_root;
    char problem[CK_PROBLEM_SIZE];
};

// MARK: The process that stays outside

// The kernel needs no help with anything else that a killed engine leaves: processes, mounts and namespaces go by themselves.
static char control_groups[8][256];
static int control_group_count;

static void remove_control_group(const char *path) {
    DIR *folder = opendir(path);
    if (!folder) return;
    for (struct dirent *entry; (entry = readdir(folder));)
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.') unlinkat(dirfd(folder), entry->d_name, AT_REMOVEDIR);
    closedir(folder);
    rmdir(path);
}

static void clean_up(void) {
    // The last processes of a killed engine leave their groups a moment after it; on a busy machine that takes seconds.
    for (int attempt = 0; attempt < 1000; attempt++) {
        int left = 0;
        for (int i = 0; i < control_group_count; i++) {
            remove_control_group(control_groups[i]);
            if (access(control_groups[i], F_OK) == 0) left++;
        }
        if (!left) return;
        usleep(10000);
    }
}

static void note_control_group(const char *path) {
    // Those of an initialization that failed are gone by now, and the next one brings its own.
    int slot = 0;
    while (slot < control_group_count && access(control_groups[slot], F_OK) == 0) slot++;
    if (slot == (int)(sizeof control_groups / sizeof *control_groups)) return;
    memcpy(control_groups[slot], path, sizeof control_groups[slot]);
    if (slot == control_group_count) control_group_count++;
}

static void answer_mapped_folder(int control, pid_t engine, const char *path) {
    struct ck_launcher_answer answer = {0};
    int tree = ck_open_mapped_folder(engine, path);
    if (tree < 0) answer.error = errno;
    // An engine that has ended needs no answer.
    ck_send_with_descriptors(control, &answer, sizeof answer, &tree, tree >= 0 ? 1 : 0);
    if (tree >= 0) close(tree);
}

static void forward_end(int status) {
    clean_up();
    if (WIFSIGNALED(status)) exit(128 + WTERMSIG(status));
    exit(WEXITSTATUS(status));
}

// Waits for the engine's end, passing signals on; ends as it ends.
__attribute__((noreturn)) static void attend(pid_t engine, int control) {
    // The client must see the end of the engine's output when the engine ends, not when this process does.
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    dup2(null, 0);
    dup2(null, 1);

    sigset_t set;
    sigfillset(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
    struct pollfd polled[3] = {
        {.fd = signalfd(-1, &set, SFD_CLOEXEC), .events = POLLIN},
        {.fd = control, .events = POLLIN},
        {.fd = -1, .events = POLLIN},
    };
    for (;;) {
        if (poll(polled, 3, -1) < 0) continue;
        if (polled[0].revents & POLLIN) {
            struct signalfd_siginfo info;
            if (read(polled[0].fd, &info, sizeof info) != sizeof info) continue;
            int status;
            if (info.ssi_signo == SIGCHLD && waitpid(engine, &status, WNOHANG) == engine) forward_end(status);
            if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT || info.ssi_signo == SIGHUP)
                kill(engine, (int)info.ssi_signo);
        }
        if (polled[1].revents) {
            struct ck_launcher_request request;
            if (recv(control, &request, sizeof request, MSG_WAITALL) != sizeof request) {
                polled[1].fd = -1;
            } else if (request.mapped_folder[0]) {
                answer_mapped_folder(control, engine, request.mapped_folder);
            } else if (request.watched > 0) {
                if (polled[2].fd >= 0) close(polled[2].fd);
                polled[2].fd = (int)syscall(SYS_pidfd_open, request.watched, 0);
                if (polled[2].fd < 0 && errno == ESRCH) kill(engine, SIGTERM);
            } else {
                note_control_group(request.control_group);
            }
        }
        if (polled[2].revents) {
            kill(engine, SIGTERM);
            polled[2].fd = -1;
        }
    }
}

// MARK: The process that becomes the engine

static int become_engine(int control, struct ck_launched *launched) {
    struct go go;
    int count = 0, host_root = -1;
    if (ck_receive_with_descriptors(control, &go, sizeof go, &host_root, &count, 0) != sizeof go) _exit(1);
    launched->ids = go.ids;
    launched->control = control;
    launched->host_root = count == 1 ? host_root : -1;
    memcpy(launched->problem, go.problem, sizeof go.problem);

    // Root of the new user namespace. Capabilities stay: the old ids are not 0 here (capabilities(7)).
    if (go.ids != CK_IDS_SINGLE && setgroups(0, NULL) != 0) _exit(1);
    if (setresgid(0, 0, 0) != 0 || setresuid(0, 0, 0) != 0) _exit(1);
    // A change of ids clears both: /proc/self would belong to nobody, and the parent's death would go unseen.
    // SIGTERM rather than SIGKILL: nobody else is left to remove the engine's control groups.
    prctl(PR_SET_DUMPABLE, 1);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    // The launcher may have died before that; then its end of the socket is closed.
    struct pollfd launcher = {.fd = control};
    if (poll(&launcher, 1, 0) != 0) _exit(1);

    umask(022);
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0) goto fail;
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0) goto fail;
    return 0;
fail:
    fprintf(stderr, "isorun-engine: the engine's own mounts cannot be made: %s; run `isorun-engine doctor`\n",
            strerror(errno));
    _exit(1);
}

int ck_launch(struct ck_launched *launched) {
    memset(launched, 0, sizeof *launched);
    launched->host_uid = getuid();
    launched->host_gid = getgid();
    int pair[2];
    if (ck_socketpair(pair) != 0) {
        ck_describe(launched->problem, "socketpair: %s", strerror(errno));
        return -1;
    }
    // A signal that comes before somebody reads them waits; PID 1 would drop what it has no handler for (pid_namespaces(7)).
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGHUP);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    struct clone_args args = {
        .flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID,
        .exit_signal = SIGCHLD,
    };
    pid_t engine = (pid_t)syscall(SYS_clone3, &args, sizeof args);
    if (engine < 0) {
        ck_describe(launched->problem, "user, mount and pid namespaces cannot be made: %s", strerror(errno));
        return -1;
    }
    if (engine == 0) {
        close(pair[0]);
        return become_engine(pair[1], launched);
    }
    close(pair[1]);

    struct go go = {.ids = CK_IDS_SINGLE};
    if (ck_write_id_maps(engine, &go.ids, go.problem) != 0) {
        ck_describe(launched->problem, "the id map of the engine's user namespace cannot be written: %s", strerror(errno));
        kill(engine, SIGKILL);
        waitpid(engine, NULL, 0);
        return -1;
    }
    int host_root = go.ids == CK_IDS_ROOT ? ck_open_mapped_host_root(engine, go.problem) : -1;
    if (ck_send_with_descriptors(pair[0], &go, sizeof go, &host_root, host_root >= 0 ? 1 : 0) < 0) {
        ck_describe(launched->problem, "the engine's process ended at its start");
        return -1;
    }
    if (host_root >= 0) close(host_root);
    attend(engine, pair[0]);
}
