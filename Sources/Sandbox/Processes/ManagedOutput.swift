import Kernel
import Synchronization

/// What a long-lived process prints: read from its pipes or its terminal, kept in a ring, and sent to the client while it is
/// attached.
///
/// Nobody attached: everything is read, old output is dropped, and the process never waits. Attached: no more is read than
/// the client takes, so that the pipes fill and the process waits for a slow one.
final class ManagedOutput: Sendable {
    /// As much as a pipe holds.
    private static let chunkSize = 64 * 1024
    /// How many chunks are read before other descriptors have their turn.
    private static let chunksPerTurn = 4
    /// How many chunks are read of what a process has left in a pipe when it ended; as much as the largest pipe holds.
    private static let chunksLeft = 16
    /// How many bytes an attached client may be behind before nothing more is read. Less than the ring keeps.
    private static let lagLimit = 256 * 1024

    private struct Attachment {
        let id: UInt64
        /// Up to where the client has got the output.
        var cursor: Int
        /// Nothing may be sent now: the client has not taken enough, or does not know yet that it is attached.
        var isHeld = true
        /// The streams whose end the client was told of.
        var told: Set<CommandStream> = []
    }

    private struct State {
        var ring: OutputRing
        var sources: [CommandStream: EngineEnd] = [:]
        var registrations: [CommandStream: EventLoop.Registration] = [:]
        /// The streams that have ended, and where.
        var endings: [CommandStream: (cursor: Int, reason: OutputEnd)]
        var attachment: Attachment?
        var nextAttachment: UInt64 = 1
        var isPaused = false
        /// Whoever prints is being killed.
        var isCutOff = false

        var wantsMore: Bool {
            !isPaused && ring.end - (attachment?.cursor ?? ring.end) < ManagedOutput.lagLimit
        }
    }

    private let address: ProcessAddress
    private let observer: any ProcessObserver
    private let loop: EventLoop
    /// Also held while something is sent: so nothing is sent any more once `detach` has returned.
    private let state: Mutex<State>

    /// - Parameters:
    ///   - ring: what was printed before.
    ///   - ended: the streams that have ended before.
    init(
        of address: ProcessAddress, ring: OutputRing = OutputRing(), ended: [CommandStream: OutputEnd] = [:],
        observer: any ProcessObserver, loop: EventLoop
    ) {
        self.address = address
        self.observer = observer
        self.loop = loop
        state = Mutex(State(ring: ring, endings: ended.mapValues { (ring.end, $0) }))
    }

    // MARK: Reading

    /// Ends those of the streams that nothing is read from.
    func interrupt(unread streams: Set<CommandStream>) {
        state.withLock { state in
            for stream in streams where state.sources[stream] == nil && state.endings[stream] == nil {
                state.endings[stream] = (state.ring.end, .interrupted)
            }
        }
    }

    /// Starts to read a stream. Once for each.
    func read(_ stream: CommandStream, from descriptor: consuming OwnedFD) throws(KernelError) {
        let source = try EngineEnd(descriptor)
        state.withLock { state in
            state.sources[stream] = source
            watch(&state)
        }
    }

    /// Watches the streams as long as more is wanted. Not watched at all otherwise: epoll would report a closed other end
    /// again and again.
    private func watch(_ state: inout State) {
        for (stream, source) in state.sources {
            if !state.wantsMore {
                unwatch(stream, &state)
            } else if state.registrations[stream] == nil {
                do throws(KernelError) {
                    state.registrations[stream] = try loop.add(source.descriptor.rawValue, .readable) {
                        [weak self] _ in self?.readable(stream)
                    }
                } catch {
                    // What cannot be watched (no memory in the kernel) cannot be read either.
                    end(stream, .interrupted, &state)
                }
            }
        }
    }

    private func unwatch(_ stream: CommandStream, _ state: inout State) {
        if let registration = state.registrations.removeValue(forKey: stream) { loop.remove(registration) }
    }

    private func readable(_ stream: CommandStream) {
        state.withLock { state in
            for _ in 0..<Self.chunksPerTurn {
                if !state.wantsMore || !readOnce(stream, &state) { break }
                send(&state)
            }
            watch(&state)
        }
    }

    /// - Returns: whether there may be more.
    private func readOnce(_ stream: CommandStream, _ state: inout State) -> Bool {
        guard let source = state.sources[stream] else { return false }
        do throws(KernelError) {
            switch try source.descriptor.readOnce(upTo: Self.chunkSize) {
            case .bytes(let bytes):
                state.ring.append(bytes, from: stream, keepingFrom: state.attachment?.cursor)
                return true
            case .wouldBlock:
                return false
            case .end:
                end(stream, .eof, &state)
            }
        } catch {
            // A terminal that nobody has open any more says EIO (pty(7)); a pipe's read end fails in no way that more
            // reading would cure.
            end(stream, .eof, &state)
        }
        return false
    }

    /// Reads what is in the pipe now.
    private func readRest(of stream: CommandStream, _ state: inout State) {
        for _ in 0..<Self.chunksLeft {
            if !readOnce(stream, &state) { return }
        }
    }

    private func end(_ stream: CommandStream, _ reason: OutputEnd, _ state: inout State) {
        unwatch(stream, &state)
        if state.sources.removeValue(forKey: stream) == nil { return }
        state.endings[stream] = (state.ring.end, state.isCutOff ? .interrupted : reason)
        send(&state)
    }

    // MARK: The client

    /// Attaches the client, in the place of a former attachment; `begin` then starts to send.
    ///
    /// - Returns: where the replay begins: at `cursor` if that is still kept.
    func attach(at cursor: Int) -> (cursor: Int, begin: @Sendable () -> Void) {
        state.withLock { state in
            let id = state.nextAttachment
            state.nextAttachment += 1
            let first = min(max(cursor, state.ring.start), state.ring.end)
            state.attachment = Attachment(id: id, cursor: first)
            watch(&state)
            return (first, { [weak self] in self?.proceed(id) })
        }
    }

    /// Sends nothing more; the process does not wait for the client any more.
    func detach() {
        state.withLock { state in
            state.attachment = nil
            watch(&state)
        }
    }

    /// The attachment may be sent more, if it still is the present one.
    private func proceed(_ attachment: UInt64) {
        loop.post { [weak self] in
            guard let self else { return }
            state.withLock { state in
                if state.attachment?.id != attachment { return }
                state.attachment?.isHeld = false
                send(&state)
                watch(&state)
            }
        }
    }

    /// Sends what is there, until the client takes no more for now.
    ///
    /// - Parameter flushing: sends it all, whatever the client takes: the sandbox is gone.
    private func send(_ state: inout State, flushing: Bool = false) {
        while let attachment = state.attachment, flushing || !attachment.isHeld {
            guard let piece = state.ring.piece(at: attachment.cursor, upTo: Self.chunkSize) else { break }
            let end = attachment.cursor + piece.bytes.count
            let isLast = end == state.ring.end && state.endings[piece.stream] != nil
            let output = OutputPiece(
                stream: piece.stream, bytes: piece.bytes, cursor: attachment.cursor, isCut: piece.isCut || isLast)
            let (count, goesOn) = observer.take(output, of: address) { [weak self] in self?.proceed(attachment.id) }
            state.attachment?.cursor += count
            if !goesOn { state.attachment?.isHeld = true }
            if count == 0 { break }
        }
        tellEnds(&state)
    }

    private func tellEnds(_ state: inout State) {
        for stream in [CommandStream.standardOutput, .standardError] {
            guard let attachment = state.attachment, let ending = state.endings[stream],
                attachment.cursor >= ending.cursor, !attachment.told.contains(stream)
            else { continue }
            state.attachment?.told.insert(stream)
            observer.outputEnded(stream, of: address, ending.reason)
        }
    }

    // MARK: The end, and captures

    var record: ManagedProcessRecord.Output {
        state.withLock { .init(ring: $0.ring, ended: $0.endings.mapValues(\.reason), open: Set($0.sources.keys)) }
    }

    /// The engine's end of a stream that has not ended.
    func end(of stream: CommandStream) -> EngineEnd? { state.withLock { $0.sources[stream] } }

    /// Reads nothing until `resumeReading`.
    func pauseReading() { setPaused(true) }

    func resumeReading() { setPaused(false) }

    private func setPaused(_ isPaused: Bool) {
        state.withLock { state in
            state.isPaused = isPaused
            watch(&state)
        }
    }

    /// Reads what is in the pipes now, however slow the client is; whoever prints must stand still.
    func drain() {
        state.withLock { state in
            for stream in state.sources.keys { readRest(of: stream, &state) }
            send(&state)
        }
    }

    /// How many bytes were read.
    var cursor: Int { state.withLock { $0.ring.end } }

    /// How many bytes of memory its output takes.
    var keptBytes: Int { state.withLock { $0.ring.content.count } }

    var hasEnded: Bool { state.withLock { $0.sources.isEmpty } }

    /// Forgets what is kept, but not how much it was.
    func forgetKept() { state.withLock { $0.ring.clear() } }

    /// Whoever prints is about to be killed: an end of a stream from here on is an interruption.
    func cutOff() { state.withLock { $0.isCutOff = true } }

    /// Reads what is there and ends every stream that has not ended: the processes are gone.
    func interrupt() {
        state.withLock { state in
            for stream in state.sources.keys.sorted(by: { $0.rawValue > $1.rawValue }) {
                readRest(of: stream, &state)
                end(stream, .interrupted, &state)
            }
            send(&state, flushing: true)
        }
    }
}
