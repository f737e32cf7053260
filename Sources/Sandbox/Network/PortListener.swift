import Dispatch
import Glibc
import Kernel
import Synchronization

/// Listens on the host's loopback address, and connects whoever comes with a port of a sandbox.
final class PortListener: Sendable {
    /// More connections at a time wait until one ends: each has a thread.
    private static let connectionLimit = 256
    private static let backlog: Int32 = 128

    let forwarded: ForwardedPort
    private let process: InitProcess
    private let loop: EventLoop
    private let socket: OwnedFD
    private let registration = Mutex<EventLoop.Registration?>(nil)
    private let connections = Mutex((open: [ObjectIdentifier: RelayedConnection](), hasEnded: false))
    /// Entered while a connection's thread lives.
    private let threads = DispatchGroup()

    init(to port: UInt16, of process: InitProcess, hostPort: UInt16?, loop: EventLoop) throws(SandboxError) {
        self.process = process
        self.loop = loop
        do throws(KernelError) {
            let socket = try OwnedFD.socket(
                domain: AF_INET, type: Int32(SOCK_STREAM.rawValue), protocolNumber: Int32(IPPROTO_TCP))
            try socket.setIntegerOption(SOL_SOCKET, SO_REUSEADDR, to: 1)
            try socket.bind(to: InsideAddress.socketAddress(ForwardedPort.hostAddress, port: hostPort ?? 0))
            try socket.listen(backlog: Self.backlog)
            try socket.setNonblocking()
            forwarded = ForwardedPort(port: port, hostPort: SocketAddress.port(try socket.localAddress()))
            self.socket = socket
        } catch {
            switch error.errno {
            case .addressInUse, .accessDenied: throw .hostPortTaken(hostPort ?? 0, reason: error.errno.message)
            default: throw .kernel(error)
            }
        }
        try watch()
    }

    private func watch() throws(SandboxError) {
        try onKernel { () throws(KernelError) in
            let added = try loop.add(socket.rawValue, .readable) { [weak self] _ in self?.accept() }
            registration.withLock { $0 = added }
        }
    }

    private func unwatch() {
        if let registered = registration.withLock({ $0.take() }) { loop.remove(registered) }
    }

    /// Listens no more and ends the connections.
    func end() {
        unwatch()
        // Closing it may have to wait for a handler that still knows this object; nobody may come meanwhile.
        try? socket.shutDown(3)
        let open = connections.withLock { connections in
            connections.hasEnded = true
            return Array(connections.open.values)
        }
        for connection in open { connection.end() }
        threads.wait()
    }

    private func accept() {
        let (isFull, hasEnded) = connections.withLock { ($0.open.count >= Self.connectionLimit, $0.hasEnded) }
        if hasEnded { return }
        if isFull { return unwatch() }
        do throws(KernelError) {
            let connection = RelayedConnection(
                try socket.accept(), to: forwarded.port, of: process)
            connections.withLock { $0.open[ObjectIdentifier(connection)] = connection }
            threads.enter()
            try Thread.start(name: "forward") { [self] in
                connection.run()
                forget(connection)
                threads.leave()
            }
        } catch {
            // The one who came has gone again, or sees that nobody answers: no thread or descriptor is free.
        }
    }

    private func forget(_ connection: RelayedConnection) {
        let isAwaited = connections.withLock { connections in
            connections.open[ObjectIdentifier(connection)] = nil
            return !connections.hasEnded
        }
        if isAwaited, registration.withLock({ $0 == nil }) {
            // Those who wait are tried again with the next connection's end.
            try? watch()
        }
    }
}
