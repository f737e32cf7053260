/// Everything that makes a process go on where it was, but the content of its private memory.
///
/// Numbers of processes, users and descriptors are those that the process itself sees. Times are as the kernel's structures
/// have them; raw structures are those of x86-64.
struct ProcessImage: Codable, Sendable {
    var pid: Int32
    /// 1 when its parent is the sandbox's first process.
    var parent: Int32
    var session: Int32
    var group: Int32
    /// Its command line for people, as reports show it.
    var command: String
    /// What `wait` will give, when the process has ended and its parent has not asked yet; nil while it lives.
    var zombieStatus: Int32?
    /// The signal that holds all its threads; nil when it runs.
    var stoppedBy: Int32?
    /// Whether its parent has been told of that by `wait`.
    var isStopKnown = false

    var threads: [ThreadImage] = []
    var memory = MemoryLayoutImage()
    /// sigaction structures of signals 1 to 64, 32 bytes each (handler, flags, restorer, mask).
    var signalActions = Blob()
    /// siginfo structures, 128 bytes each.
    var pendingSignals: [Blob] = []
    var timers = TimersImage()
    var credentials = Credentials()
    var attributes = ProcessAttributes()
    /// Soft and hard, by RLIMIT_ number.
    var limits: [[UInt64]] = []
    var workingDirectory = ""
    var rootDirectory = "/"
    var descriptors: [DescriptorImage] = []
    /// Index into `TreeImage.terminals`.
    var controllingTerminal: Int?
}

struct ThreadImage: Codable, Sendable {
    var id: Int32
    var name: String
    /// struct user_regs_struct.
    var registers: Blob
    /// As XSAVE lays it out.
    var extendedState: Blob
    var signalMask: UInt64
    var pendingSignals: [Blob] = []
    var robustListHead: UInt64
    var robustListLength: UInt64
    var restartableSequence: UInt64
    var restartableSequenceSize: UInt32
    var restartableSequenceSignature: UInt32
    /// Where the kernel writes 0 and wakes a futex when the thread ends (set_tid_address(2)).
    var clearedAtExit: UInt64
    /// struct stack_t.
    var alternateStack: Blob
    var schedulingPolicy: Int32
    var schedulingPriority: Int32
    var nice: Int32
    /// Class and level for input and output (ioprio_set(2)); 0 when it follows from `nice`.
    var transferPriority: UInt64
    /// struct cpu_set_t, as long as the kernel's.
    var affinity: Blob
}

struct Credentials: Codable, Sendable {
    /// Real, effective, saved and filesystem.
    var userIDs: [UInt32] = [0, 0, 0, 0]
    var groupIDs: [UInt32] = [0, 0, 0, 0]
    var groups: [UInt32] = []
    var inheritable: UInt64 = 0
    var permitted: UInt64 = 0
    var effective: UInt64 = 0
    var bounding: UInt64 = 0
    var ambient: UInt64 = 0
    var secureBits: UInt64 = 0
    var noNewPrivileges = false
}

struct ProcessAttributes: Codable, Sendable {
    var umask: UInt32 = 0o22
    var personality: UInt64 = 0
    var isDumpable: UInt64 = 1
    var parentDeathSignal: Int32 = 0
    var isChildSubreaper = false
    var timerSlack: UInt64 = 0
    var isWithoutHugePages = false
    var outOfMemoryScore: Int32 = 0
    /// As /proc/PID/coredump_filter shows it.
    var coreDumpFilter = ""
}

/// One entry of a descriptor table.
struct DescriptorImage: Codable, Sendable {
    var number: Int32
    /// Index into `TreeImage.descriptions`.
    var description: Int
    var closesOnExec: Bool
    /// Locks of fcntl(2), which belong to the process.
    var recordLocks: [FileLockImage] = []
}

struct TimersImage: Codable, Sendable {
    /// struct itimerval of ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF, 32 bytes each.
    var intervals = Blob()
    var posix: [POSIXTimer] = []

    struct POSIXTimer: Codable, Sendable {
        var id: Int32
        var clock: Int32
        /// SIGEV_ number, with SIGEV_THREAD_ID where it has a thread.
        var notify: Int32
        var signal: Int32
        var value: UInt64
        var thread: Int32
        /// struct itimerspec, 32 bytes.
        var setting = Blob()
    }
}
