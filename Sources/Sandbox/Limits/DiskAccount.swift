import Synchronization

/// What is known of the space that a sandbox's own files take.
///
/// To measure it is a walk through all of them. Between walks the free space of the store's filesystem tells whether the sandbox can
/// have come to its limit: only when as much is gone as it had left is there something to measure.
final class DiskAccount: Sendable {
    /// How old a measurement may get while the sandbox works: others may free what it takes.
    private static let longestWait = Duration.seconds(10)
    /// A full sandbox is looked at more often, to notice what it deletes.
    private static let waitWhenFull = Duration.milliseconds(200)
    /// At most one part in so many of the time is spent on walks.
    private static let rest = 10

    private struct State {
        var bytes: Int64 = 0
        /// The filesystem's free bytes when that was measured; nil: it never was.
        var freeThen: Int64?
        var next = ContinuousClock.now
        /// What it had when its processes were kept from writing; nil while they may write.
        var bytesWhenFull: Int64?
        /// How many requests write files of it.
        var writers = 0
        /// Whose processes were kept from writing.
        var gated: ObjectIdentifier?
    }

    private let state = Mutex(State())

    var isFull: Bool { state.withLock { $0.bytesWhenFull != nil } }
    var isBeingWritten: Bool { state.withLock { $0.writers > 0 } }

    func beginWriting() { state.withLock { $0.writers += 1 } }
    func endWriting() { state.withLock { $0.writers -= 1 } }

    /// Whether so many more bytes fit, as far as was measured.
    func holds(_ count: Int64, limit: Int64) -> Bool {
        state.withLock { $0.freeThen != nil && $0.bytes + count <= limit }
    }

    /// Has it measured at the next look.
    func forget() { state.withLock { $0.freeThen = nil } }

    /// Whether it is to be measured now.
    ///
    /// - Parameter free: bytes of the filesystem.
    func isDue(limit: Int64, free: Int64) -> Bool {
        state.withLock { state in
            guard let freeThen = state.freeThen else { return true }
            let wasFull = state.bytesWhenFull != nil
            return !wasFull && freeThen - free >= limit - state.bytes || ContinuousClock.now >= state.next
        }
    }

    /// Whether it may be at its limit now.
    func mayBeFull(limit: Int64, free: Int64) -> Bool {
        state.withLock { state in
            guard let freeThen = state.freeThen else { return true }
            return freeThen - free >= limit - state.bytes
        }
    }

    /// Notes a measurement.
    ///
    /// - Parameter duration: how long it took.
    func note(_ bytes: Int64, free: Int64, duration: Duration) {
        state.withLock { state in
            state.bytes = bytes
            state.freeThen = free
            let wait = state.bytesWhenFull == nil ? Self.longestWait : Self.waitWhenFull
            state.next = .now + max(wait, duration * Self.rest)
        }
    }

    /// Notes that the processes of an incarnation are kept from writing.
    func becameFull(_ incarnation: Incarnation) {
        state.withLock { state in
            if state.bytesWhenFull == nil { state.bytesWhenFull = state.bytes }
            state.gated = ObjectIdentifier(incarnation)
            state.next = .now + Self.waitWhenFull
        }
    }

    func isGated(_ incarnation: Incarnation) -> Bool {
        state.withLock { $0.gated == ObjectIdentifier(incarnation) }
    }

    func becameFree() {
        state.withLock { state in
            state.bytesWhenFull = nil
            state.gated = nil
        }
    }

    /// How much it has grown although its processes were kept from writing.
    var growthWhenFull: Int64 { state.withLock { state in state.bytesWhenFull.map { state.bytes - $0 } ?? 0 } }
}
