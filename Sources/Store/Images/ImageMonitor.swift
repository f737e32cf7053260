import Kernel
import Synchronization

/// How far an import, export or pull has come, in bytes of the layers: compressed ones of an import, files of an export.
public struct ImageProgress: Sendable, Equatable {
    public let completedBytes: Int64
    public let totalBytes: Int64
}

/// What all threads of an import or export share: whether to go on, how much was done, and what the limits leave.
public final class ImageMonitor: Sendable {
    private let isCancelled: @Sendable () -> Bool
    private let report: @Sendable (ImageProgress) -> Void
    private let hasFailed = Atomic(false)
    private let read = Atomic<Int64>(0)
    private let unpacked = Atomic<Int64>(0)
    private let entries = Atomic<Int>(0)
    private let total = Atomic<Int64>(0)
    private let lastReport = Mutex<ContinuousClock.Instant?>(nil)

    /// Often enough for a bar that moves, rarely enough to cost nothing.
    private static let reportInterval = Duration.milliseconds(100)

    /// - Parameters:
    ///   - isCancelled: asked about every 250 kB.
    ///   - report: called at most ten times a second, by any thread.
    public init(
        isCancelled: @escaping @Sendable () -> Bool = { false },
        report: @escaping @Sendable (ImageProgress) -> Void = { _ in }
    ) {
        self.isCancelled = isCancelled
        self.report = report
    }

    /// For a look at something that will be read again: it can be cancelled, but counts nothing.
    func uncounted() -> ImageMonitor { ImageMonitor(isCancelled: isCancelled) }

    /// - Throws: `cancelled`, also when another thread has failed, which then tells why.
    func check() throws(StoreError) {
        if isStopped { throw .cancelled }
    }

    var isStopped: Bool { hasFailed.load(ordering: .relaxed) || isCancelled() }

    /// Makes the other threads stop.
    func fail() { hasFailed.store(true, ordering: .relaxed) }

    /// What is to be read in all.
    func expect(_ bytes: Int64) { total.wrappingAdd(bytes, ordering: .relaxed) }

    func hasRead(_ bytes: Int64) {
        read.wrappingAdd(bytes, ordering: .relaxed)
        let now = ContinuousClock.now
        let isDue = lastReport.withLock { last in
            if let last, now - last < Self.reportInterval { return false }
            last = now
            return true
        }
        if !isDue { return }
        // What is read twice, because a layer had to be unpacked on top of others, counts once.
        let total = total.load(ordering: .relaxed)
        report(ImageProgress(completedBytes: min(read.load(ordering: .relaxed), total), totalBytes: total))
    }

    /// - Returns: how many bytes all layers together have unpacked to.
    func hasUnpacked(_ bytes: Int64) -> Int64 {
        unpacked.wrappingAdd(bytes, ordering: .relaxed).newValue
    }

    /// - Returns: how many entries all layers together have.
    func hasEntry() -> Int { entries.wrappingAdd(1, ordering: .relaxed).newValue }
}
