import Kernel

/// /proc/PID/status (proc_pid_status(5)), as far as it matters here.
struct ProcessStatus {
    /// `R`, `S`, `T`, `Z`…
    let state: Character
    let name: String
    /// Its numbers from the engine's pid namespace inwards.
    let pids: [Int32]
    let tracer: Int32
    let umask: UInt32
    let credentials: Credentials
    /// How many seccomp filters it has.
    let filters: Int
    /// How many threads it has, those that have ended and are not gone included.
    let threadCount: Int
    /// Private memory that it has written, in bytes.
    let ownMemory: UInt64
    /// Whether any of its memory must not be swapped out (mlock(2)).
    let hasLockedMemory: Bool

    /// Nil when the process is gone.
    static func read(of pid: Int32) throws(KernelError) -> ProcessStatus? {
        let text = try ProcessLineage.textIfPresent("/proc/\(pid)/status")
        return text.isEmpty ? nil : ProcessStatus(text)
    }

    private init(_ text: String) {
        var fields: [Substring: Substring] = [:]
        for line in text.lines {
            guard let colon = line.utf8.firstIndex(of: UInt8(ascii: ":")) else { continue }
            fields[line[..<colon]] = line[colon...].dropFirst().trimmed
        }
        func numbers<Number: FixedWidthInteger>(_ key: Substring, radix: Int = 10) -> [Number] {
            (fields[key] ?? "").words.compactMap { Number($0, radix: radix) }
        }
        func number<Number: FixedWidthInteger>(_ key: Substring, radix: Int = 10) -> Number {
            (numbers(key, radix: radix) as [Number]).first ?? 0
        }
        state = fields["State"]?.first ?? "?"
        name = String(fields["Name"] ?? "")
        pids = numbers("NSpid")
        tracer = number("TracerPid")
        umask = number("Umask", radix: 8)
        filters = number("Seccomp_filters")
        threadCount = number("Threads")
        ownMemory = number("RssAnon") << 10
        hasLockedMemory = number("VmLck") > 0
        var credentials = Credentials()
        credentials.userIDs = numbers("Uid")
        credentials.groupIDs = numbers("Gid")
        credentials.groups = numbers("Groups")
        credentials.inheritable = number("CapInh", radix: 16)
        credentials.permitted = number("CapPrm", radix: 16)
        credentials.effective = number("CapEff", radix: 16)
        credentials.bounding = number("CapBnd", radix: 16)
        credentials.ambient = number("CapAmb", radix: 16)
        credentials.noNewPrivileges = fields["NoNewPrivs"] == "1"
        self.credentials = credentials
    }
}

/// /proc/PID/stat (proc_pid_stat(5)): fields by their numbers in the manual page.
struct ProcessStatistics {
    private let fields: [Substring]

    init(_ text: String) {
        guard let end = text.utf8.lastIndex(of: UInt8(ascii: ")")) else {
            fields = []
            return
        }
        // The first field after the name is the third.
        fields = text[end...].dropFirst(2).words
    }

    func signed(_ number: Int) -> Int64 {
        fields.indices.contains(number - 3) ? Int64(fields[number - 3]) ?? 0 : 0
    }

    func unsigned(_ number: Int) -> UInt64 {
        fields.indices.contains(number - 3) ? UInt64(fields[number - 3]) ?? 0 : 0
    }

    var parent: Int32 { Int32(truncatingIfNeeded: signed(4)) }
    var group: Int32 { Int32(truncatingIfNeeded: signed(5)) }
    var session: Int32 { Int32(truncatingIfNeeded: signed(6)) }
    /// The device of the controlling terminal; 0 when there is none.
    var terminal: UInt64 { UInt64(bitPattern: signed(7)) & 0xffff_ffff }
    var foregroundGroup: Int32 { Int32(truncatingIfNeeded: signed(8)) }
    var nice: Int32 { Int32(truncatingIfNeeded: signed(19)) }
    /// When it was started, in clock ticks since the machine was.
    var startTime: UInt64 { unsigned(22) }
    /// As `wait` gives it; shown to those who may trace the process.
    var exitStatus: Int32 { Int32(truncatingIfNeeded: signed(52)) }

    /// In the order of struct prctl_mm_map, but brk, which is not told.
    func memoryBounds(brk: UInt64) -> [UInt64] {
        [
            unsigned(26), unsigned(27), unsigned(45), unsigned(46), unsigned(47), brk, unsigned(28), unsigned(48),
            unsigned(49), unsigned(50), unsigned(51),
        ]
    }
}
