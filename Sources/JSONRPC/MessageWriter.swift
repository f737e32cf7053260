import Glibc

/// Sends messages to the client from one thread of its own: in the order sent, never interleaved.
///
/// `send` never blocks, so what is queued is bounded by its senders: whoever produces output (a command's pipes) or
/// work (the reader of requests) stops while `isCongested`, and goes on when `whenDrained` says so.
public final class MessageWriter: Sendable {
    /// Bytes in the queue above which it is congested. One large answer may go beyond it.
    public static let highWaterMark = 4 * 1024 * 1024
    /// Bytes in the queue at which it counts as drained again; well below, so that producers do not flutter.
    public static let lowWaterMark = 1024 * 1024

    private struct State: Sendable {
        var queue: [[UInt8]] = []
        /// The queue's bytes and those of the message that is being written.
        var queuedBytes = 0
        var isCongested = false
        var drained: [@Sendable () -> Void] = []
        /// No message is accepted any more: the engine ends, or the client has gone.
        var isClosed = false
        var threadHasEnded = false

        mutating func takeDrained() -> [@Sendable () -> Void] {
            isCongested = false
            defer { drained = [] }
            return drained
        }
    }

    private let state = Monitor(State())
    private let write: @Sendable ([UInt8]) throws -> Void
    private let onBroken: @Sendable (any Error) -> Void

    /// Starts the writing thread.
    ///
    /// - Parameters:
    ///   - write: writes all of the bytes, blocking, or throws when nothing can be written any more.
    ///   - onBroken: called once, on the writing thread, with what `write` threw; later messages are dropped.
    public init(
        write: @escaping @Sendable ([UInt8]) throws -> Void, onBroken: @escaping @Sendable (any Error) -> Void
    ) throws(ThreadStartError) {
        self.write = write
        self.onBroken = onBroken
        try startThread { [self] in run() }
    }

    /// Queues a message; callable on any thread, never blocks. Dropped when the writer is closed or broken.
    public func send(_ message: OutgoingMessage) {
        let bytes = message.framed()
        state.update { state in
            guard !state.isClosed else { return }
            state.queue.append(bytes)
            state.queuedBytes += bytes.count
            if state.queuedBytes > Self.highWaterMark { state.isCongested = true }
        }
    }

    /// Bytes that the client has not taken yet.
    public var queuedBytes: Int { state.read(\.queuedBytes) }

    /// Whether producers must hold back: from the high water mark on, until the low one is reached.
    public var isCongested: Bool { state.read(\.isCongested) }

    /// Calls `resume` once when the queue is not congested: at once, or later on the writing thread, which it must
    /// not block.
    public func whenDrained(_ resume: @escaping @Sendable () -> Void) {
        let isCongested = state.update { state in
            if state.isCongested { state.drained.append(resume) }
            return state.isCongested
        }
        if !isCongested { resume() }
    }

    /// Blocks the calling thread while the queue is congested: for the reader of requests.
    public func waitUntilDrained() {
        state.wait(until: { !$0.isCongested }, then: { _ in })
    }

    /// Accepts no more messages, and waits until those that were accepted are written.
    ///
    /// - Parameter patience: how long to wait for a client that does not read.
    /// - Returns: whether the writing thread is done; if not, it still hangs in `write`.
    @discardableResult
    public func finish(within patience: Duration) -> Bool {
        state.update { $0.isClosed = true }
        return state.wait(until: \.threadHasEnded, deadline: .monotonic(after: patience), then: \.threadHasEnded)
    }

    private func run() {
        do {
            while let messages = nextMessages() {
                for message in messages {
                    try write(message)
                    release(message.count)
                }
            }
        } catch {
            abandonQueue()
            onBroken(error)
        }
        state.update { $0.threadHasEnded = true }
    }

    /// Waits for messages and takes all that there are; nil when the writer is closed and all is written.
    private func nextMessages() -> [[UInt8]]? {
        state.wait(
            until: { !$0.queue.isEmpty || $0.isClosed },
            then: { state in
                defer { state.queue = [] }
                return state.queue.isEmpty ? nil : state.queue
            })
    }

    private func release(_ count: Int) {
        let drained = state.update { state in
            state.queuedBytes -= count
            return state.queuedBytes <= Self.lowWaterMark ? state.takeDrained() : []
        }
        for resume in drained { resume() }
    }

    private func abandonQueue() {
        let drained = state.update { state in
            state.isClosed = true
            state.queue = []
            state.queuedBytes = 0
            return state.takeDrained()
        }
        for resume in drained { resume() }
    }
}
