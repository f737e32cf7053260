import Kernel
import Synchronization

/// What a command printed so far, each stream up to a limit.
final class OutputCollector: Sendable {
    struct Collected {
        var output: [UInt8] = []
        var errorOutput: [UInt8] = []
        var truncated = false
    }

    private let limit: Int
    private let budget: OutputBudget
    private let state = Mutex(Collected())

    /// - Parameters:
    ///   - limit: in bytes, for each stream.
    ///   - budget: what it takes of that it gives back when it goes.
    init(limit: Int, budget: OutputBudget) {
        self.limit = limit
        self.budget = budget
    }

    deinit { budget.giveBack(state.withLock { $0.output.count + $0.errorOutput.count }) }

    func append(_ bytes: ArraySlice<UInt8>, to stream: CommandStream) {
        state.withLock { state in
            switch stream {
            case .standardOutput: keep(bytes, in: &state.output, &state.truncated)
            case .standardError: keep(bytes, in: &state.errorOutput, &state.truncated)
            }
        }
    }

    private func keep(_ bytes: ArraySlice<UInt8>, in stream: inout [UInt8], _ truncated: inout Bool) {
        let kept = bytes.prefix(budget.take(min(limit - stream.count, bytes.count)))
        stream += kept
        if kept.count < bytes.count { truncated = true }
    }

    func collected() -> Collected { state.withLock { $0 } }
}

/// The read end of a command's output: reads as fast as its sink takes, on the event loop's thread.
///
/// While the sink takes nothing, nothing is read: the pipe fills and the command blocks, so that memory stays bounded.
final class OutputPipe: Sendable {
    /// As much as a pipe holds.
    private static let chunkSize = 64 * 1024
    /// How many chunks are read before other descriptors have their turn.
    private static let chunksPerTurn = 4

    private struct State {
        var registration: EventLoop.Registration?
        var onEnd: (@Sendable () -> Void)?
        /// Once the command has ended: how much of what it printed is still to come. Later writers do not count.
        var remaining: Int?
    }

    private let descriptor: OwnedFD
    private let stream: CommandStream
    private let collector: OutputCollector
    private let sink: (any OutputSink)?
    private let loop: EventLoop
    private let state = Mutex(State())

    init(
        _ descriptor: consuming OwnedFD, _ stream: CommandStream, collector: OutputCollector, sink: (any OutputSink)?,
        loop: EventLoop
    ) throws(KernelError) {
        try descriptor.setNonblocking()
        self.descriptor = descriptor
        self.stream = stream
        self.collector = collector
        self.sink = sink
        self.loop = loop
    }

    /// Starts to read; `onEnd` is called once, when there is no more.
    func begin(onEnd: @escaping @Sendable () -> Void) throws(KernelError) {
        state.withLock { $0.onEnd = onEnd }
        try watch()
    }

    /// Ends with what is in the pipe now, whoever else keeps it open.
    func finish() {
        // A pipe's read end fails in no way that more reading would cure.
        let available = (try? descriptor.availableBytes()) ?? 0
        state.withLock { $0.remaining = available }
        if available == 0 { end() }
    }

    /// Stops reading; `onEnd` is not called any more.
    func close() {
        let registration = state.withLock { state in
            state.onEnd = nil
            return state.registration.take()
        }
        if let registration { loop.remove(registration) }
    }

    private func watch() throws(KernelError) {
        let registration = try loop.add(descriptor.rawValue, .readable) { [self] _ in readAvailable() }
        state.withLock { $0.registration = registration }
    }

    private func readAvailable() {
        for _ in 0..<Self.chunksPerTurn {
            let outcome: OwnedFD.ReadOutcome
            do throws(KernelError) {
                outcome = try descriptor.readOnce(upTo: Self.chunkSize)
            } catch {
                // A pipe's read end fails in no way that more reading would cure.
                return end()
            }
            switch outcome {
            case .bytes(let bytes): if !deliver(bytes) { return }
            case .wouldBlock: return
            case .end: return end()
            }
        }
    }

    /// - Returns: whether to read on.
    private func deliver(_ bytes: [UInt8]) -> Bool {
        collector.append(bytes[...], to: stream)
        let isLast = state.withLock { state in
            state.remaining = state.remaining.map { $0 - bytes.count }
            return (state.remaining ?? 1) <= 0
        }
        let goesOn = sink?.take(bytes, from: stream) { [self] in loop.post { [self] in resume() } } ?? true
        if isLast {
            end()
        } else if !goesOn {
            pause()
        }
        return goesOn && !isLast
    }

    /// Not watched at all while paused: epoll would report a closed other end again and again.
    private func pause() {
        if let registration = state.withLock({ $0.registration.take() }) { loop.remove(registration) }
    }

    private func resume() {
        if state.withLock({ $0.onEnd == nil || $0.registration != nil }) { return }
        do throws(KernelError) {
            try watch()
        } catch {
            // What cannot be watched any more cannot be read either.
            end()
        }
    }

    private func end() {
        let (registration, onEnd) = state.withLock { ($0.registration.take(), $0.onEnd.take()) }
        if let registration { loop.remove(registration) }
        onEnd?()
    }
}
