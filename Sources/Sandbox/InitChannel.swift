import InitProtocol
import Kernel
import Synchronization

/// The conversation with one sandbox's isorun-init; see InitProtocol.h for the bytes.
///
/// Requests may be sent from any thread. Answers and exits are reported on the event loop's thread.
final class InitChannel: Sendable {
    /// A request that isorun-init could not carry out.
    struct Refusal: Error {
        let step: InitStep
        let errno: Errno
    }

    /// The end of a process that was started here.
    struct Exit {
        let status: ExitStatus
        /// Of the process and of those of its descendants that it waited for.
        let cpuMicroseconds: UInt64
        let peakMemoryBytes: UInt64
    }

    private typealias Started = @Sendable (Result<Int32, Refusal>) -> Void
    private typealias Exited = @Sendable (Exit) -> Void

    private struct State {
        var nextTag: UInt64 = 1
        var ready: (@Sendable (Refusal?) -> Void)?
        var starting: [UInt64: (started: Started, exited: Exited)] = [:]
        var running: [Int32: Exited] = [:]
        var onOrphanExit: (@Sendable (Int32, Exit) -> Void)?
        var received: [UInt8] = []
        var registration: EventLoop.Registration?
        var onEnd: (@Sendable () -> Void)?
        var hasEnded = false
    }

    private let socket: DescriptorSocket
    private let loop: EventLoop
    private let state = Mutex(State())
    /// Held while one request's bytes are written, so that requests never interleave.
    private let sending = Mutex(())

    init(socket: consuming DescriptorSocket, loop: EventLoop) throws(KernelError) {
        self.socket = socket
        self.loop = loop
        let registration = try loop.add(self.socket.rawDescriptor, .readable) { [weak self] _ in self?.receive() }
        state.withLock { $0.registration = registration }
    }

    /// Calls back once, when isorun-init has closed the channel, which it does only by ending.
    func onEnd(_ handler: @escaping @Sendable () -> Void) {
        let alreadyEnded = state.withLock { state in
            if !state.hasEnded { state.onEnd = handler }
            return state.hasEnded
        }
        if alreadyEnded { handler() }
    }

    /// Sends the set-up request; `ready` gets nil when it succeeded.
    func setUp(_ payload: [UInt8], ready: @escaping @Sendable (Refusal?) -> Void) throws(KernelError) {
        state.withLock { $0.ready = ready }
        try send(kind: ISORUN_SETUP, tag: 0, payload: payload, descriptors: [])
    }

    /// Asks for a program to be started.
    ///
    /// - Parameters:
    ///   - payload: as InitProtocol.h describes it.
    ///   - descriptors: standard input, output and error.
    ///   - started: gets the pid inside the sandbox, or why there is none.
    ///   - exited: called after `started` succeeded, once the process was reaped.
    func spawn(
        _ payload: [UInt8], descriptors: [Int32], started: @escaping @Sendable (Result<Int32, Refusal>) -> Void,
        exited: @escaping @Sendable (Exit) -> Void
    ) throws(KernelError) {
        let tag = state.withLock { state in
            let tag = state.nextTag
            state.nextTag += 1
            state.starting[tag] = (started, exited)
            return tag
        }
        do throws(KernelError) {
            try send(kind: ISORUN_SPAWN, tag: tag, payload: payload, descriptors: descriptors)
        } catch {
            state.withLock { _ = $0.starting.removeValue(forKey: tag) }
            throw error
        }
    }

    /// Has the end of a child of isorun-init reported that it did not start itself, such as a restored process.
    ///
    /// - Parameter pid: inside the sandbox; the process must not have ended yet.
    func adopt(_ pid: Int32, exited: @escaping @Sendable (Exit) -> Void) {
        state.withLock { $0.running[pid] = exited }
    }

    /// Calls back with the pid, inside the sandbox, of each process that isorun-init reaped although it was neither started
    /// here nor adopted: its own parent had ended before it.
    func onOrphanExit(_ handler: @escaping @Sendable (Int32, Exit) -> Void) {
        state.withLock { $0.onOrphanExit = handler }
    }

    private func send(
        kind: isorun_request_kind, tag: UInt64, payload: [UInt8], descriptors: [Int32]
    ) throws(KernelError) {
        let header = isorun_request(kind: kind.rawValue, size: UInt32(payload.count), tag: tag)
        let bytes = rawBytes(of: header) + payload
        try sending.withLock { _ throws(KernelError) in try socket.send(bytes, descriptors: descriptors) }
    }

    // MARK: Events

    private func receive() {
        let bytes: [UInt8]
        do throws(KernelError) {
            guard let some = try socket.receive(upTo: 64 * MemoryLayout<isorun_event>.size) else { return }
            bytes = some
        } catch {
            // A reset connection is how the death of the other end shows when it had unread bytes.
            bytes = []
        }
        if bytes.isEmpty { return end() }

        let size = MemoryLayout<isorun_event>.size
        let events = state.withLock { state in
            state.received += bytes
            let whole = state.received.count / size
            let events = (0..<whole).map { event(in: state.received[($0 * size)..<(($0 + 1) * size)]) }
            state.received.removeFirst(whole * size)
            return events
        }
        for event in events { handle(event) }
    }

    private func handle(_ event: isorun_event) {
        let refusal = Refusal(step: InitStep(event.step), errno: Errno(rawValue: event.error))
        switch isorun_event_kind(event.kind) {
        case ISORUN_READY:
            let ready = state.withLock { $0.ready.take() }
            ready?(event.error == 0 ? nil : refusal)
        case ISORUN_STARTED:
            let callbacks = state.withLock { state in
                let callbacks = state.starting.removeValue(forKey: event.tag)
                state.running[event.pid] = callbacks?.exited
                return callbacks
            }
            callbacks?.started(.success(event.pid))
        case ISORUN_REFUSED:
            let callbacks = state.withLock { $0.starting.removeValue(forKey: event.tag) }
            callbacks?.started(.failure(refusal))
        case ISORUN_EXITED:
            let exit = Exit(
                status: ExitStatus(waitStatus: event.status), cpuMicroseconds: event.cpu_microseconds,
                peakMemoryBytes: event.peak_memory_bytes)
            let (exited, onOrphanExit) = state.withLock { state in
                (state.running.removeValue(forKey: event.pid), state.onOrphanExit)
            }
            // A pid that was not started here is an orphan that the kernel gave to isorun-init.
            if let exited { exited(exit) } else { onOrphanExit?(event.pid, exit) }
        default:
            break
        }
    }

    private func end() {
        let (registration, ready, starting, onEnd) = state.withLock { state in
            state.hasEnded = true
            defer { state.starting = [:] }
            return (state.registration.take(), state.ready.take(), state.starting.values, state.onEnd.take())
        }
        if let registration { loop.remove(registration) }
        let refusal = Refusal(step: .request, errno: .noSuchProcess)
        ready?(refusal)
        for callbacks in starting { callbacks.started(.failure(refusal)) }
        onEnd?()
    }
}

/// Where in isorun-init a request failed.
enum InitStep: String {
    case request, mountRoot, mountProc, mountSys, mountDev, pivot, loopback, limits, seccomp, capabilities
    case fork, stdio, terminal, user, directory, execute

    init(_ step: UInt32) {
        self =
            switch isorun_step(step) {
            case ISORUN_STEP_MOUNT_ROOT: .mountRoot
            case ISORUN_STEP_MOUNT_PROC: .mountProc
            case ISORUN_STEP_MOUNT_SYS: .mountSys
            case ISORUN_STEP_MOUNT_DEV: .mountDev
            case ISORUN_STEP_PIVOT: .pivot
            case ISORUN_STEP_LOOPBACK: .loopback
            case ISORUN_STEP_LIMITS: .limits
            case ISORUN_STEP_SECCOMP: .seccomp
            case ISORUN_STEP_CAPABILITIES: .capabilities
            case ISORUN_STEP_FORK: .fork
            case ISORUN_STEP_STDIO: .stdio
            case ISORUN_STEP_TERMINAL: .terminal
            case ISORUN_STEP_USER: .user
            case ISORUN_STEP_DIRECTORY: .directory
            case ISORUN_STEP_EXECUTE: .execute
            default: .request
            }
    }
}

/// The bytes of a plain C struct.
func rawBytes<Plain: BitwiseCopyable>(of value: Plain) -> [UInt8] {
    // unsafe: reads the value's own storage.
    unsafe withUnsafeBytes(of: value) { unsafe Array($0) }
}

private func event(in bytes: ArraySlice<UInt8>) -> isorun_event {
    // unsafe: the slice has exactly the struct's size; loadUnaligned asks for no alignment.
    unsafe bytes.withUnsafeBytes { unsafe $0.loadUnaligned(as: isorun_event.self) }
}
