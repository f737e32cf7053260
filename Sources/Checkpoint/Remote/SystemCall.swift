/// System calls that are made in other processes, by their numbers on x86-64 (arch/x86/entry/syscalls/syscall_64.tbl).
enum SystemCall: UInt64 {
    case close = 3
    case mmap = 9
    case mprotect = 10
    case munmap = 11
    case brk = 12
    case rt_sigaction = 13
    case ioctl = 16
    case pread64 = 17
    case pwrite64 = 18
    case mremap = 25
    case mincore = 27
    case madvise = 28
    case shmat = 30
    case pause = 34
    case getitimer = 36
    case setitimer = 38
    case connect = 42
    case sendmsg = 46
    case recvmsg = 47
    case bind = 49
    case listen = 50
    case socketpair = 53
    case clone = 56
    case exit = 60
    case wait4 = 61
    case kill = 62
    case fcntl = 72
    case chdir = 80
    case fchdir = 81
    case write = 1
    case umask = 95
    case setpgid = 109
    case setsid = 112
    case setgroups = 116
    case setresuid = 117
    case setresgid = 119
    case setfsuid = 122
    case setfsgid = 123
    case getsid = 124
    case capset = 126
    case rt_sigqueueinfo = 129
    case sigaltstack = 131
    case personality = 135
    case setpriority = 141
    case sched_getparam = 143
    case sched_setscheduler = 144
    case sched_getscheduler = 145
    case prctl = 157
    case chroot = 161
    case sched_setaffinity = 203
    case sched_getaffinity = 204
    case set_tid_address = 218
    case timer_create = 222
    case timer_settime = 223
    case timer_gettime = 224
    case timer_getoverrun = 225
    case exit_group = 231
    case epoll_ctl = 233
    case waitid = 247
    case ioprio_set = 251
    case ioprio_get = 252
    case openat = 257
    case set_robust_list = 273
    case dup3 = 292
    case rt_tgsigqueueinfo = 297
    case setns = 308
    case process_vm_writev = 311
    case seccomp = 317
    case userfaultfd = 323
    case mlock2 = 325
    case rseq = 334
    case pidfd_open = 434
    case clone3 = 435
    case close_range = 436

    /// What paths begin at that are not absolute.
    static let currentFolder = UInt64(bitPattern: -100)  // AT_FDCWD

    /// The call's name, for errors.
    var name: String { "\(self)" }
}
