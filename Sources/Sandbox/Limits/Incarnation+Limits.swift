import Glibc
import Kernel

/// What the engine itself does about limits of an incarnation's processes.
extension Incarnation {
    /// New processes appear while the present ones are gone through; what is this many rounds ahead of that is a fork bomb.
    private static let gateRounds = 100

    /// How often the sandbox has run into its limits in this life.
    func limitCounts() -> LimitCounts {
        // A group that cannot be read is being removed together with the incarnation.
        let inKernel = (try? namespaces.controlGroup.limitCounts()) ?? LimitCounts()
        return watched.withLock { $0.counts } + inKernel
    }

    func count(_ limit: SandboxLimit) { watched.withLock { $0.counts[limit] += 1 } }

    /// Whether anything but isorun-init runs.
    func isActive() throws(KernelError) -> Bool {
        if runningExecutions > 0 { return true }
        if let count = try namespaces.controlGroup.taskCount() { return count > 1 }
        return try !isQuiet()
    }

    // MARK: Disk

    /// What files take that have no name any more.
    func deletedFileBytes() throws(KernelError) -> Int64 {
        DeletedFiles.allocatedBytes(in: processes.proc, of: try processes.pids())
    }

    /// Keeps all processes, and those that they start, from writing to files.
    func forbidWriting() throws(KernelError) {
        for _ in 0..<Self.gateRounds {
            var isDone = true
            for pid in try allPids() where try FileSizeLimit.forbidWriting(pid) { isDone = false }
            if isDone { return }
        }
        try killAll()
    }

    /// Lets them write again.
    func allowWriting() throws(KernelError) {
        for pid in try allPids() { try FileSizeLimit.allowWriting(pid, upTo: largestFile) }
    }

    /// In the engine's numbering; isorun-init first, so that what it starts meanwhile is like it.
    private func allPids() throws(KernelError) -> [Int32] {
        [namespaces.process.pid] + (try ProcessNumbers.inside(namespaces.process.pid)).values
    }

    /// Kills every process but isorun-init.
    func killAll() throws(KernelError) {
        for _ in 0..<Self.gateRounds {
            let pids = try processes.pids().filter { $0 != 1 }
            if pids.isEmpty { return }
            for pid in pids { try processes.signal(SIGKILL, to: pid) { _ throws(KernelError) in true } }
        }
    }

    // MARK: Memory and processes, where no control group limits them

    /// Kills the process that holds most memory when all of them hold more than they may.
    func holdMemory(to limit: Int64) throws(KernelError) {
        if try processes.privateBytes() <= limit { return }
        let now = ContinuousClock.now
        if now < watched.withLock({ $0.nextExactLook }) { return }
        let shares = try processes.memoryShares()
        // It reads all page tables: at most a twentieth of the time goes into that.
        watched.withLock { $0.nextExactLook = .now + (ContinuousClock.now - now) * 20 }
        guard shares.reduce(0, { $0 + $1.bytes }) > limit, let largest = shares.max(by: { $0.bytes < $1.bytes })
        else { return }
        count(.memory)
        try processes.signal(SIGKILL, to: largest.pid) { _ throws(KernelError) in true }
    }

    /// Notices that no more processes can be made.
    func lookAtProcessCount(limit: Int) throws(KernelError) {
        let isAtLimit = try processes.usage().count >= limit
        let wasAtLimit = watched.withLock { watched in
            defer { watched.isAtProcessLimit = isAtLimit }
            return watched.isAtProcessLimit
        }
        if isAtLimit && !wasAtLimit { count(.pids) }
    }
}

/// What the engine has seen of an incarnation, beyond what the kernel counts.
struct WatchedLimits {
    var counts = LimitCounts()
    var nextExactLook = ContinuousClock.now
    var isAtProcessLimit = false
    /// Whether anything but isorun-init ran at the last look.
    var isActive = false
    /// Of what the client was told already.
    var reported = LimitCounts()
}
