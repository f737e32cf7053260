import Glibc
import Kernel

/// Limits of one sandbox.
public struct SandboxLimits: Sendable, Equatable {
    public var vcpus: Int
    public var memMiB: Int
    public var diskMiB: Int
    public var pidsMax: Int

    public init(vcpus: Int = 1, memMiB: Int = 1024, diskMiB: Int = 4096, pidsMax: Int = 1024) {
        self.vcpus = vcpus
        self.memMiB = memMiB
        self.diskMiB = diskMiB
        self.pidsMax = pidsMax
    }
}

/// One sandbox's control group, in as many hierarchies as the host offers; possibly in none.
final class ControlGroup: Sendable {
    private let folders: [Controller: ControlGroups.Parent]

    init(folders: [Controller: ControlGroups.Parent]) { self.folders = folders }

    private var paths: Set<String> { Set(folders.values.map(\.folder)) }

    /// Where a process is to be born to be in the group; what it starts later is in it too.
    var birthplaces: ControlGroupFolders {
        ControlGroupFolders(
            version1: Array(Set(folders.values.filter { $0.mechanism == .cgroup1 }.map(\.folder))),
            version2: folders.values.first { $0.mechanism == .cgroup2 }?.folder)
    }

    var limitsProcesses: Bool { folders[.pids] != nil }

    func apply(_ limits: SandboxLimits) throws(KernelError) {
        let bytes = limits.memMiB << 20
        try write("\(bytes)", .memory, version1: "memory.limit_in_bytes", version2: "memory.max")
        try applySwapLimit(bytes)
        let period = 100_000
        switch folders[.cpu]?.mechanism {
        case .cgroup1: try write("\(limits.vcpus * period)", .cpu, version1: "cpu.cfs_quota_us", version2: "")
        case .cgroup2: try write("\(limits.vcpus * period) \(period)", .cpu, version1: "", version2: "cpu.max")
        default: break
        }
        // One more than the sandbox may have: isorun-init is none of its own.
        try write("\(limits.pidsMax + 1)", .pids, version1: "pids.max", version2: "pids.max")
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
        let lines = try ProcFS.read(parent.folder + "/cpu.stat").split(separator: "\n")
        return lines.first { $0.hasPrefix("usage_usec ") }.flatMap { number($0.dropFirst(11)) }
    }

    func memoryBytes() throws(KernelError) -> UInt64? {
        try read(.memory, version1: "memory.usage_in_bytes", version2: "memory.current")
    }

    func peakMemoryBytes() throws(KernelError) -> UInt64? {
        try read(.memory, version1: "memory.max_usage_in_bytes", version2: "memory.peak")
    }

    private func read(_ controller: Controller, version1: String, version2: String) throws(KernelError) -> UInt64? {
        guard let parent = folders[controller] else { return nil }
        let file = parent.mechanism == .cgroup2 ? version2 : version1
        return number(try ProcFS.read(parent.folder + "/" + file))
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
