import Kernel
import Synchronization

/// Writes a command's standard input as fast as the command reads it, then closes it.
final class InputFeed: Sendable {
    private struct State: ~Copyable {
        var descriptor: OwnedFD?
        var rest: ArraySlice<UInt8>
        var registration: EventLoop.Registration?
    }

    private let loop: EventLoop
    private let state: Mutex<State>

    /// - Parameter descriptor: the write end of the command's pipe.
    init(_ descriptor: consuming OwnedFD, _ bytes: [UInt8], loop: EventLoop) throws(KernelError) {
        try descriptor.setNonblocking()
        self.loop = loop
        let raw = descriptor.rawValue
        state = Mutex(State(descriptor: descriptor, rest: bytes[...]))
        if bytes.isEmpty {
            close()
            return
        }
        let registration = try loop.add(raw, .writable) { [weak self] _ in self?.write() }
        state.withLock { $0.registration = registration }
    }

    /// Closes the pipe; what was not written is dropped.
    func close() {
        state.withLock { state in
            if let registration = state.registration.take() { loop.remove(registration) }
            state.descriptor = nil
        }
    }

    private func write() {
        let isDone = state.withLock { state in
            guard let descriptor = state.descriptor.take() else { return true }
            do throws(KernelError) {
                let count = try descriptor.writeOnce(state.rest)
                state.rest = state.rest.dropFirst(count)
            } catch {
                // The command has closed its input: nobody will read the rest.
                state.rest = []
            }
            state.descriptor = consume descriptor
            return state.rest.isEmpty
        }
        if isDone { close() }
    }
}
