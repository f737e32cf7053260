import Synchronization

/// What the last capture or restore of a sandbox's processes has left for the next capture, so that it copies only what has changed.
public final class CaptureHistory: Sendable {
    /// The moment of a capture, or of a restore, when all is as it was captured.
    struct Moment: Sendable {
        /// Gone when nobody has kept it: then memory is copied whole.
        weak var state: RuntimeState?
        /// By the processes' numbers inside.
        let tracked: [Int32: TrackedMemory]
    }

    private let last = Mutex<Moment?>(nil)

    public init() {}

    /// What is learned from it is forgotten by the kernel: who takes it and fails leaves none.
    func take() -> Moment? {
        last.withLock { last in
            defer { last = nil }
            return last
        }
    }

    func note(_ moment: Moment) { last.withLock { $0 = moment } }
}
