import Glibc
import Kernel
import Synchronization

/// Why a write to a process was not carried out; `written` bytes of it were.
enum InputFailure: Error {
    /// Closed by the client, or by everybody who could read it.
    case closed(written: Int)
    case cancelled(written: Int)
    case sandboxGone(written: Int)
    /// As much as may be waits already.
    case tooMuch
}

/// The standard input of a long-lived process: writes go in one after the other, each as fast as the process reads.
final class ManagedInput: Sendable {
    /// Bytes that may wait to be written. One write may be larger.
    static let queueLimit = 64 * 1024 * 1024
    /// As much as a pipe holds.
    private static let chunkSize = 64 * 1024
    /// How many chunks are written before other descriptors have their turn.
    private static let chunksPerTurn = 16

    typealias Completion = @Sendable (Result<Int, InputFailure>) -> Void

    private struct Write {
        let id: UInt64
        var rest: ArraySlice<UInt8>
        var written = 0
        let completion: Completion
    }

    private struct State {
        var end: EngineEnd?
        var queue: [Write] = []
        var queuedBytes = 0
        var nextID: UInt64 = 1
        /// Nothing is accepted any more; what is queued is still written.
        var isClosing = false
        /// Nothing is written for now.
        var isPaused = false
        var registration: EventLoop.Registration?
        var waitsForRoom = false
    }

    private let loop: EventLoop
    private let state: Mutex<State>

    /// - Parameter descriptor: the write end of a pipe, or a terminal's master that nobody else has registered.
    init(_ descriptor: consuming OwnedFD, loop: EventLoop) throws(KernelError) {
        self.loop = loop
        state = Mutex(State(end: try EngineEnd(descriptor)))
        state.withLock { watch(&$0) }
    }

    /// Whether more can be written.
    var isOpen: Bool { state.withLock { $0.end != nil && !$0.isClosing } }

    /// Queues bytes; `completion` is called once, on any thread, when all are written or no more can be.
    ///
    /// - Returns: names the write, to be cancelled.
    func write(_ bytes: [UInt8], completion: @escaping Completion) -> UInt64 {
        let (id, refusal) = state.withLock { state -> (UInt64, InputFailure?) in
            if state.end == nil || state.isClosing { return (0, .closed(written: 0)) }
            if !state.queue.isEmpty, state.queuedBytes + bytes.count > Self.queueLimit { return (0, .tooMuch) }
            let id = state.nextID
            state.nextID += 1
            state.queue.append(Write(id: id, rest: bytes[...], completion: completion))
            state.queuedBytes += bytes.count
            return (id, nil)
        }
        if let refusal { completion(.failure(refusal)) } else { advance() }
        return id
    }

    /// Takes a write back, as far as it was not carried out. One that is done is no error.
    func cancel(_ id: UInt64) {
        let cancelled = state.withLock { state -> Write? in
            guard let index = state.queue.firstIndex(where: { $0.id == id }) else { return nil }
            let write = state.queue.remove(at: index)
            state.queuedBytes -= write.rest.count
            return write
        }
        guard let cancelled else { return }
        cancelled.completion(.failure(.cancelled(written: cancelled.written)))
        advance()
    }

    /// Ends the input, after what is queued. - Returns: false when that was done before.
    func close() -> Bool {
        let wasOpen = state.withLock { state in
            if state.end == nil || state.isClosing { return false }
            state.isClosing = true
            return true
        }
        advance()
        return wasOpen
    }

    /// Writes nothing until `resumeWriting`; what comes is queued.
    func pauseWriting() { state.withLock { $0.isPaused = true } }

    func resumeWriting() {
        state.withLock { $0.isPaused = false }
        advance()
    }

    /// The sandbox is gone.
    func interrupt() {
        fail(state.withLock { drop(&$0) }) { .sandboxGone(written: $0) }
    }

    /// The engine's end, while it is open.
    var end: EngineEnd? { state.withLock { $0.end } }

    // MARK: Writing

    private func ready(_ readiness: Readiness) {
        // Nobody can read any more; a pipe that is full does not say so otherwise.
        if readiness.isDisjoint(with: .hungUp) { return advance() }
        fail(state.withLock { drop(&$0) }) { .closed(written: $0) }
    }

    /// Writes as much as goes in now.
    private func advance() {
        let (done, failed) = state.withLock { state in
            var done: [Write] = []
            do throws(KernelError) {
                try writeQueue(&state, &done)
            } catch {
                // EPIPE of a pipe, EIO of a terminal: nobody can read any more.
                return (done, drop(&state))
            }
            if state.isClosing, state.queue.isEmpty { return (done, drop(&state)) }
            watch(&state)
            return (done, [])
        }
        for write in done { write.completion(.success(write.written)) }
        fail(failed) { .closed(written: $0) }
    }

    private func writeQueue(_ state: inout State, _ done: inout [Write]) throws(KernelError) {
        guard let end = state.end, !state.isPaused else { return }
        for _ in 0..<Self.chunksPerTurn {
            guard var write = state.queue.first else { break }
            if !write.rest.isEmpty {
                let count = try end.descriptor.writeOnce(write.rest.prefix(Self.chunkSize))
                if count == 0 { break }
                write.rest = write.rest.dropFirst(count)
                write.written += count
                state.queuedBytes -= count
                state.queue[0] = write
            }
            if write.rest.isEmpty { done.append(state.queue.removeFirst()) }
        }
    }

    /// Watches for room while something is queued, and always for the end of whoever reads.
    private func watch(_ state: inout State) {
        let waitsForRoom = !state.queue.isEmpty && !state.isPaused
        guard let end = state.end, state.registration == nil || state.waitsForRoom != waitsForRoom else { return }
        if let registration = state.registration.take() { loop.remove(registration) }
        state.waitsForRoom = waitsForRoom
        // Where it cannot be watched (no memory in the kernel), a later write tries again.
        state.registration = try? loop.add(end.descriptor.rawValue, waitsForRoom ? .writable : []) {
            [weak self] readiness in self?.ready(readiness)
        }
    }

    /// Closes the descriptor; what was still queued.
    private func drop(_ state: inout State) -> [Write] {
        if let registration = state.registration.take() { loop.remove(registration) }
        state.end = nil
        state.isClosing = true
        state.queuedBytes = 0
        defer { state.queue = [] }
        return state.queue
    }

    private func fail(_ writes: [Write], _ failure: (Int) -> InputFailure) {
        for write in writes { write.completion(.failure(failure(write.written))) }
    }
}
