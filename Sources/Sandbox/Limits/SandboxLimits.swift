/// Limits of one sandbox.
public struct SandboxLimits: Sendable, Equatable {
    public var vcpus: Int
    public var memMiB: Int
    public var diskMiB: Int
    public var pidsMax: Int
    /// Commands that may be under way at once.
    public var execsMax: Int

    public init(
        vcpus: Int = 1, memMiB: Int = 1024, diskMiB: Int = 4096, pidsMax: Int = 1024, execsMax: Int = 1024
    ) {
        self.vcpus = vcpus
        self.memMiB = memMiB
        self.diskMiB = diskMiB
        self.pidsMax = pidsMax
        self.execsMax = execsMax
    }

    var memoryBytes: Int64 { Int64(memMiB) << 20 }
    var diskBytes: Int64 { Int64(diskMiB) << 20 }
}

/// A limit that a sandbox can run into by itself, and that its commands feel when they do.
public enum SandboxLimit: String, Sendable, CaseIterable {
    /// A process was killed for want of memory.
    case memory
    /// A process or thread could not be made.
    case pids
    /// Nothing more could be written.
    case disk
}

/// How often a sandbox has run into each of its limits.
struct LimitCounts: Sendable, Equatable {
    private var counts: [SandboxLimit: UInt64] = [:]

    subscript(limit: SandboxLimit) -> UInt64 {
        get { counts[limit] ?? 0 }
        set { counts[limit] = newValue }
    }

    /// The limits that were run into since an earlier count.
    func risen(since earlier: LimitCounts) -> Set<SandboxLimit> {
        Set(SandboxLimit.allCases.filter { self[$0] > earlier[$0] })
    }

    static func + (one: LimitCounts, other: LimitCounts) -> LimitCounts {
        LimitCounts(counts: one.counts.merging(other.counts, uniquingKeysWith: +))
    }
}
