import Glibc

/// What a `/proc/PID/stat` tells (proc_pid_stat(5)).
public struct ProcessStat: Sendable {
    /// `R`, `S`, `Z`…
    public let state: Character
    /// The parent's number; 0 when that is outside of the reader's pid namespace.
    public let parent: Int32
    /// When it started, in clock ticks since the machine did.
    public let startTicks: UInt64
    public let cpuMicroseconds: UInt64
    public let residentBytes: UInt64
    public let threads: Int
    /// How it ended, of a zombie, for a reader who may trace it; 0 otherwise.
    private let exitCode: Int32

    public var isZombie: Bool { state == "Z" || state == "X" }

    /// How a zombie ended. Only for a reader that has CAP_SYS_PTRACE over it: others are shown 0.
    public var exitStatus: ExitStatus? { isZombie ? ExitStatus(waitStatus: exitCode) : nil }

    /// From the stat of a process.
    ///
    /// - Parameters:
    ///   - folder: a /proc; or the folder of the process in it, when `pid` is nil.
    public init?(in folder: Int32, of pid: Int32? = nil) throws(KernelError) {
        let text = try ProcFS.read(pid.map { "\($0)/stat" } ?? "stat", in: folder)
        // The name, in parentheses, may hold anything; the first field after it is the third.
        guard let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[end...].dropFirst(2).split(separator: " ")
        guard fields.count > 21, let state = fields[0].first, let parent = Int32(fields[1]),
            let threads = Int(fields[17]), let startTicks = UInt64(fields[19]), let pages = UInt64(fields[21])
        else { return nil }
        self.state = state
        self.parent = parent
        self.threads = threads
        self.startTicks = startTicks
        let ticks = fields[11...14].compactMap { UInt64($0) }.reduce(0, +)
        cpuMicroseconds = ticks * 1_000_000 / Self.ticksPerSecond
        residentBytes = pages * UInt64(sysconf(Int32(_SC_PAGESIZE)))
        exitCode = fields.count > 49 ? Int32(fields[49].filter { !$0.isWhitespace }) ?? 0 : 0
    }

    private static let ticksPerSecond = UInt64(sysconf(Int32(_SC_CLK_TCK)))

    /// When it started, by the wall clock as it goes now.
    public var startedAt: FileTime {
        FileTime(
            nanoseconds: FileTime.startOfMachine
                + Int64(startTicks) * (1_000_000_000 / Int64(Self.ticksPerSecond)))
    }
}

extension FileTime {
    /// The wall clock's time, in nanoseconds since 1970, at which the machine started.
    fileprivate static var startOfMachine: Int64 {
        var uptime = Glibc.timespec()
        // unsafe: the kernel fills the struct; the clock is always there, so the call cannot fail.
        _ = unsafe clock_gettime(CLOCK_BOOTTIME, &uptime)
        return FileTime.now.nanoseconds - Int64(uptime.tv_sec) * 1_000_000_000 - Int64(uptime.tv_nsec)
    }
}
