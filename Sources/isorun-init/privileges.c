#include "init.h"
#include "system.h"
#include <asm/unistd.h>
#include <linux/capability.h>
#include <linux/errno.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/resource.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>

// <linux/if.h> pulls in libc's headers; these are the parts of netdevice(7) that one call needs.
struct interface_flags {
    char name[16];
    short flags;
    char unused[22];
};
#define INTERFACE_UP 1 // IFF_UP
#define INTERNET 2     // AF_INET
#define DATAGRAM 2     // SOCK_DGRAM

struct outcome raise_loopback(void) {
    long socket = SYSCALL(__NR_socket, INTERNET, DATAGRAM, 0);
    if (socket < 0) return FAILED(ISORUN_STEP_LOOPBACK, socket);
    struct interface_flags request = {.name = "lo", .flags = INTERFACE_UP};
    long result = SYSCALL(__NR_ioctl, socket, SIOCSIFFLAGS, &request);
    SYSCALL(__NR_close, socket);
    return result < 0 ? FAILED(ISORUN_STEP_LOOPBACK, result) : SUCCEEDED;
}

static struct outcome limit(unsigned resource, uint64_t soft, int lower_hard) {
    struct rlimit64 value;
    long result = SYSCALL(__NR_prlimit64, 0, resource, NULL, &value);
    if (result < 0) return FAILED(ISORUN_STEP_LIMITS, result);
    value.rlim_cur = soft < value.rlim_max ? soft : value.rlim_max;
    if (lower_hard) value.rlim_max = value.rlim_cur;
    result = SYSCALL(__NR_prlimit64, 0, resource, &value, NULL);
    return result < 0 ? FAILED(ISORUN_STEP_LIMITS, result) : SUCCEEDED;
}

static struct outcome set_limits(const struct isorun_setup *setup) {
    struct outcome outcome = limit(RLIMIT_NOFILE, setup->open_files, 0);
    // A core file would be the host's business: its core_pattern may name a program of the host.
    return outcome.error ? outcome : limit(RLIMIT_CORE, 0, 1);
}

struct outcome drop_privileges(const struct isorun_setup *setup, const void *filter) {
    struct outcome outcome = set_limits(setup);
    if (outcome.error) return outcome;
    SYSCALL(__NR_umask, 022);

    // Without this a process inside could attach to PID 1 as a debugger and speak to the engine in its name.
    long result = SYSCALL(__NR_prctl, PR_SET_DUMPABLE, 0);
    if (result < 0) return FAILED(ISORUN_STEP_CAPABILITIES, result);
    for (unsigned capability = 0; capability < 64; capability++) {
        if (setup->capabilities >> capability & 1) continue;
        result = SYSCALL(__NR_prctl, PR_CAPBSET_DROP, capability);
        if (result == -EINVAL) break; // past the last one that this kernel knows
        if (result < 0) return FAILED(ISORUN_STEP_CAPABILITIES, result);
    }

    // The filter before the capabilities: only CAP_SYS_ADMIN may install one without no_new_privs (seccomp(2)).
    struct sock_fprog program = {.len = (unsigned short)setup->filter_length, .filter = (struct sock_filter *)filter};
    result = SYSCALL(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
    if (result < 0) return FAILED(ISORUN_STEP_SECCOMP, result);

    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    uint32_t low = (uint32_t)setup->capabilities, high = (uint32_t)(setup->capabilities >> 32);
    struct __user_cap_data_struct sets[2] = {{.effective = low, .permitted = low}, {.effective = high, .permitted = high}};
    result = SYSCALL(__NR_capset, &header, sets);
    return result < 0 ? FAILED(ISORUN_STEP_CAPABILITIES, result) : SUCCEEDED;
}
