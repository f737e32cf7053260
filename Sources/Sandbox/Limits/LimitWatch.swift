import Dispatch
import Kernel
import Store
import Synchronization

/// Holds the limits that the kernel does not hold, and tells of all that are run into.
///
/// A thread that looks at the sandboxes many times per second while something runs in them, once per second while nothing does, and
/// never while there is none.
final class LimitWatch: Sendable {
    /// Also how long a command can write beyond its limit.
    private static let busyInterval = DispatchTimeInterval.milliseconds(50)
    private static let idleInterval = DispatchTimeInterval.seconds(1)
    /// How often the kernel's counters are read.
    private static let thoroughInterval = Duration.seconds(1)
    /// What a full sandbox may still grow, by writes under way and memory mappings of files, before its processes are killed.
    private static let graceBytes: Int64 = 64 << 20

    typealias Report = @Sendable (Sandbox, SandboxLimit) -> Void

    private struct Company {
        let sandboxes: @Sendable () -> [Sandbox]
        let report: Report
    }

    private let store: Store
    private let company = Mutex<Company?>(nil)
    private let wakeUp = DispatchSemaphore(value: 0)
    private let isBusy = Atomic(false)
    private let isAsleep = Atomic(false)
    private let isClosed = Atomic(false)
    private let hasEnded = Promise<Void>()
    private let lastThorough = Mutex(ContinuousClock.now)

    init(store: Store) { self.store = store }

    /// Starts to look.
    ///
    /// - Parameters:
    ///   - sandboxes: those that run.
    ///   - report: gets each limit that was run into, at most once per look.
    func begin(
        sandboxes: @escaping @Sendable () -> [Sandbox], report: @escaping Report
    ) throws(SandboxError) {
        company.withLock { $0 = Company(sandboxes: sandboxes, report: report) }
        try onKernel { () throws(KernelError) in
            try Thread.start(name: "limits") { [self] in run(sandboxes) }
        }
    }

    /// Something begins to run, or to write, in a sandbox.
    func noticeWork() {
        if !isBusy.exchange(true, ordering: .acquiringAndReleasing) { wakeUp.signal() }
    }

    /// There is a sandbox.
    func noticeSandbox() {
        if isAsleep.exchange(false, ordering: .acquiringAndReleasing) { wakeUp.signal() }
    }

    func close() {
        isClosed.store(true, ordering: .releasing)
        wakeUp.signal()
        hasEnded.wait()
    }

    private func run(_ sandboxes: () -> [Sandbox]) {
        while !isClosed.load(ordering: .acquiring) {
            isBusy.store(false, ordering: .releasing)
            isAsleep.store(true, ordering: .sequentiallyConsistent)
            let present = sandboxes()
            if !present.isEmpty { isAsleep.store(false, ordering: .releasing) }
            if present.isEmpty {
                wakeUp.wait()
            } else if look(at: present) {
                isBusy.store(true, ordering: .releasing)
                _ = wakeUp.wait(timeout: .now() + Self.busyInterval)
            } else {
                _ = wakeUp.wait(timeout: .now() + Self.idleInterval)
            }
        }
        hasEnded.fulfil(())
    }

    /// - Returns: whether something runs in one of them.
    private func look(at present: [Sandbox]) -> Bool {
        let isThorough = lastThorough.withLock { last in
            if ContinuousClock.now - last < Self.thoroughInterval { return false }
            last = .now
            return true
        }
        // Without an answer nobody's disk is looked at; the filesystem is gone.
        let free = try? store.freeBytes()
        var isBusy = false
        for sandbox in present {
            // A sandbox that ends meanwhile needs no limits.
            if (try? look(at: sandbox, free: free, isThorough: isThorough)) ?? false { isBusy = true }
        }
        return isBusy
    }

    private func look(at sandbox: Sandbox, free: Int64?, isThorough: Bool) throws(SandboxError) -> Bool {
        let (incarnation, limits) = sandbox.state.withLock { ($0.incarnation, $0.config.limits) }
        guard let incarnation else { return false }
        let isActive = try onKernel { () throws(KernelError) in
            let isActive =
                if isThorough { try incarnation.isActive() } else {
                    incarnation.runningExecutions > 0 || incarnation.watched.withLock { $0.isActive }
                }
            incarnation.watched.withLock { $0.isActive = isActive }
            let group = incarnation.namespaces.controlGroup
            if isActive && !group.limitsMemory { try incarnation.holdMemory(to: limits.memoryBytes) }
            if isActive && !group.limitsProcesses { try incarnation.lookAtProcessCount(limit: limits.pidsMax) }
            return isActive
        }
        let isWritten = sandbox.disk.isBeingWritten
        if let free, isActive || isWritten || sandbox.disk.isFull,
            sandbox.disk.isDue(limit: limits.diskBytes, free: free)
        {
            try measure(sandbox)
        }
        if isThorough { tell(sandbox, incarnation) }
        return isActive || isWritten
    }

    /// Tells the client of limits that were run into since it was told last.
    func tell(_ sandbox: Sandbox, _ incarnation: Incarnation) {
        let counts = incarnation.limitCounts()
        let news = incarnation.watched.withLock { watched in
            defer { watched.reported = counts }
            return counts.risen(since: watched.reported)
        }
        let report = company.withLock { $0?.report }
        for limit in SandboxLimit.allCases where news.contains(limit) { report?(sandbox, limit) }
    }

    // MARK: Disk

    /// Whether the sandbox may be at its limit: measured, or by what is gone since. Quick.
    func mayBeFull(_ sandbox: Sandbox) -> Bool {
        guard let free = try? store.freeBytes() else { return false }
        return sandbox.disk.mayBeFull(limit: sandbox.state.withLock { $0.config.limits.diskBytes }, free: free)
    }

    /// Measures a sandbox's files, and keeps its processes from writing, or lets them write again, as that says.
    func measure(_ sandbox: Sandbox) throws(SandboxError) {
        try sandbox.measuring.withLock { _ throws(SandboxError) in
            let (record, incarnation, limits) = sandbox.state.withLock { ($0.record, $0.incarnation, $0.config.limits) }
            let begun = ContinuousClock.now
            let (free, named) = try onStore { () throws(StoreError) in
                (try store.freeBytes(), try store.diskUsage(of: record))
            }
            guard let incarnation else { return }
            try onKernel { () throws(KernelError) in
                let bytes = named + (try incarnation.deletedFileBytes())
                sandbox.disk.note(bytes, free: free, duration: .now - begun)
                try enforce(limits.diskBytes, bytes, on: sandbox, incarnation)
            }
        }
    }

    private func enforce(
        _ limit: Int64, _ bytes: Int64, on sandbox: Sandbox, _ incarnation: Incarnation
    ) throws(KernelError) {
        let disk = sandbox.disk
        if bytes < limit {
            if disk.isGated(incarnation) { try incarnation.allowWriting() }
            disk.becameFree()
        } else if !disk.isGated(incarnation) {
            try incarnation.forbidWriting()
            disk.becameFull(incarnation)
            incarnation.count(.disk)
        } else if disk.growthWhenFull > max(Self.graceBytes, limit / 10) {
            try incarnation.killAll()
        }
    }
}
