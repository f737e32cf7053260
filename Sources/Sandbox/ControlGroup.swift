import Glibc
import Kernel

/// One sandbox's control group, in as many hierarchies as the host offers; possibly in none.
final class ControlGroup: Sendable {
    private let folders: [Controller: ControlGroups.Parent]
    /// Kept open, because they are read before and behind each command.
    private let memoryEvents: OwnedFD?
    private let pidsEvents: OwnedFD?

    init(folders: [Controller: ControlGroups.Parent]) throws(KernelError) {
        self.folders = folders
        memoryEvents = try Self.open(folders[.memory], version1: "memory.oom_control", version2: "memory.events")
        pidsEvents = try Self.open(folders[.pids], version1: "pids.events", version2: "pids.events")
    }

    private static func open(
        _ parent: ControlGroups.Parent?, version1: String, version2: String
    ) throws(KernelError) -> OwnedFD? {
        guard let parent else { return nil }
        let file = parent.mechanism == .cgroup2 ? version2 : version1
        return try OwnedFD.open(FilePath(verbatim: parent.folder + "/" + file), [.read])
    }

    private var paths: Set<String> { Set(folders.values.map(\.folder)) }

    /// Where a process is to be born to be in the group; what it starts later is in it too.
    var birthplaces: ControlGroupFolders {
        ControlGroupFolders(
            version1: Array(Set(folders.values.filter { $0.mechanism == .cgroup1 }.map(\.folder))),
            version2: folders.values.first { $0.mechanism == .cgroup2 }?.folder)
    }

    var limitsMemory: Bool { folders[.memory] != nil }
    var limitsProcesses: Bool { folders[.pids] != nil }

    func apply(_ limits: SandboxLimits) throws(KernelError) {
        try limitMemory(toMiB: limits.memMiB)
        try limitProcessors(to: limits.vcpus)
        // One more than the sandbox may have: isorun-init is none of its own.
        try limitTasks(to: limits.pidsMax + 1)
    }

    func limitMemory(toMiB count: Int) throws(KernelError) {
        let bytes = count << 20
        try write("\(bytes)", .memory, version1: "memory.limit_in_bytes", version2: "memory.max")
        try applySwapLimit(bytes)
    }

    func limitProcessors(to count: Int) throws(KernelError) {
        let period = 100_000
        switch folders[.cpu]?.mechanism {
        case .cgroup1: try write("\(count * period)", .cpu, version1: "cpu.cfs_quota_us", version2: "")
        case .cgroup2: try write("\(count * period) \(period)", .cpu, version1: "", version2: "cpu.max")
        default: break
        }
    }

    /// Processes and threads.
    func limitTasks(to count: Int) throws(KernelError) {
        try write("\(count)", .pids, version1: "pids.max", version2: "pids.max")
    }

    /// Swap counts as memory. Kernels without swap accounting have no such file.
    private func applySwapLimit(_ bytes: Int) throws(KernelError) {
        do throws(KernelError) {
            switch folders[.memory]?.mechanism {
            case .cgroup1:
                try write("\(bytes)", .memory, version1: "memory.memsw.limit_in_bytes", version2: "")
            case .cgroup2: try write("0", .memory, version1: "", version2: "memory.swap.max")
            default: break
            }
        } catch let error where error.errno == .noSuchFile {
            return
        }
    }

    private func write(
        _ value: String, _ controller: Controller, version1: String, version2: String
    ) throws(KernelError) {
        guard let parent = folders[controller] else { return }
        let file = parent.mechanism == .cgroup2 ? version2 : version1
        try ProcFS.write(value, to: parent.folder + "/" + file)
    }

    // MARK: Usage; nil where no group counts it

    func cpuMicroseconds() throws(KernelError) -> UInt64? {
        guard let parent = folders[.cpuacct] else { return nil }
        if parent.mechanism == .cgroup1 {
            return number(try ProcFS.read(parent.folder + "/cpuacct.usage")).map { $0 / 1000 }
        }
        return number(after: "usage_usec", in: try ProcFS.read(parent.folder + "/cpu.stat"))
    }

    /// Without pages of files that have not been used for a while: the kernel takes those back when it needs memory.
    func memoryBytes() throws(KernelError) -> UInt64? {
        guard let parent = folders[.memory],
            let used = try read(.memory, version1: "memory.usage_in_bytes", version2: "memory.current")
        else { return nil }
        let name = parent.mechanism == .cgroup1 ? "total_inactive_file" : "inactive_file"
        let idle = number(after: name, in: try ProcFS.read(parent.folder + "/memory.stat"))
        return used - min(used, idle ?? 0)
    }

    func peakMemoryBytes() throws(KernelError) -> UInt64? {
        try read(.memory, version1: "memory.max_usage_in_bytes", version2: "memory.peak")
    }

    private func read(_ controller: Controller, version1: String, version2: String) throws(KernelError) -> UInt64? {
        guard let parent = folders[controller] else { return nil }
        let file = parent.mechanism == .cgroup2 ? version2 : version1
        return number(try ProcFS.read(parent.folder + "/" + file))
    }

    /// Processes and threads, isorun-init included.
    func taskCount() throws(KernelError) -> Int? {
        try read(.pids, version1: "pids.current", version2: "pids.current").map(Int.init)
    }

    /// How often each limit was run into.
    func limitCounts() throws(KernelError) -> LimitCounts {
        var counts = LimitCounts()
        counts[.memory] = try count("oom_kill", in: memoryEvents)
        counts[.pids] = try count("max", in: pidsEvents)
        return counts
    }

    private func count(_ name: String, in file: borrowing OwnedFD?) throws(KernelError) -> UInt64 {
        switch file {
        case .some(let file): number(after: name, in: try ProcFS.read(fromStartOf: file)) ?? 0
        case .none: 0
        }
    }

    /// The number behind a name, in a file with a line for each.
    private func number(after name: String, in text: String) -> UInt64? {
        let line = text.split(separator: "\n").first { $0.hasPrefix(name + " ") }
        return line.flatMap { number($0.dropFirst(name.count + 1)) }
    }

    private func number(_ text: some StringProtocol) -> UInt64? {
        UInt64(String(text.filter { !$0.isWhitespace }))
    }

    /// Removes the group; its processes must have been reaped.
    func remove() {
        for path in paths { remove(path) }
    }

    /// What stays after all goes with the engine's own folder.
    private func remove(_ path: String) {
        // The kernel lets go of a reaped process a moment after wait(2) returns (EBUSY until then).
        for _ in 0..<500 {
            if unsafe rmdir(path) == 0 || Errno.current != .busy { return }
            usleep(1000)
        }
    }
}
