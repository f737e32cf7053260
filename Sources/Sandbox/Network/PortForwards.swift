import Dispatch
import Kernel
import Synchronization

/// Where a port of a sandbox is reached on the host.
public struct ForwardedPort: Sendable, Equatable {
    public let port: UInt16
    public let hostPort: UInt16
    public static let hostAddress = "127.0.0.1"
}

/// The ports of one incarnation of a sandbox that are reached on the host's loopback address.
///
/// The engine carries the bytes itself, from the host's network to a socket that it makes in the sandbox's: so what listens
/// on the sandbox's own loopback address is reached, and a sandbox needs no way out for it.
final class PortForwards: Sendable {
    private struct State {
        var listeners: [UInt16: PortListener] = [:]
        var hasEnded = false
    }

    private let process: InitProcess
    private let loop: EventLoop
    private let state = Mutex(State())

    /// - Parameter process: one in the sandbox's network.
    init(to process: InitProcess, loop: EventLoop) {
        self.process = process
        self.loop = loop
    }

    /// The forward of a port, made if there is none.
    ///
    /// - Parameter hostPort: nil: any that is free.
    /// - Throws: `portForwarded` when it is forwarded from another host port, `hostPortTaken`.
    func open(_ port: UInt16, hostPort: UInt16?) throws(SandboxError) -> ForwardedPort {
        try state.withLock { state throws(SandboxError) in
            if let present = state.listeners[port]?.forwarded {
                if let hostPort, hostPort != present.hostPort { throw .portForwarded(present) }
                return present
            }
            // What is made for a sandbox that has just ended would stay.
            if state.hasEnded { throw .kernel(KernelError("listen", "a sandbox that ends", errno: .noSuchProcess)) }
            let listener = try PortListener(to: port, of: process, hostPort: hostPort, loop: loop)
            state.listeners[port] = listener
            return listener.forwarded
        }
    }

    /// Ends a forward and its connections.
    ///
    /// - Throws: `portNotForwarded`.
    func close(_ port: UInt16) throws(SandboxError) {
        guard let listener = state.withLock({ $0.listeners.removeValue(forKey: port) }) else {
            throw .portNotForwarded(port)
        }
        listener.end()
    }

    /// By their ports.
    var all: [ForwardedPort] {
        state.withLock { $0.listeners.values.map(\.forwarded) }.sorted { $0.port < $1.port }
    }

    /// Ends all of them, for good.
    func end() {
        let listeners = state.withLock { state in
            state.hasEnded = true
            defer { state.listeners = [:] }
            return state.listeners.values
        }
        for listener in listeners { listener.end() }
    }
}

extension Sandbox {
    /// Makes a port of the running sandbox reachable on the host; again gives the same answer.
    ///
    /// The forward ends with the sandbox, and when it is rolled back or hibernates.
    /// - Throws: `portForwarded`, `hostPortTaken`.
    public func forward(_ port: UInt16, hostPort: UInt16?) throws(SandboxError) -> ForwardedPort {
        try running().forwards.open(port, hostPort: hostPort)
    }

    /// - Throws: `portNotForwarded`.
    public func closeForward(of port: UInt16) throws(SandboxError) { try running().forwards.close(port) }

    public func forwardedPorts() throws(SandboxError) -> [ForwardedPort] { try running().forwards.all }
}
