import Glibc
import Kernel
import Synchronization

/// One connection to a forwarded port: its bytes in both directions, until both have come to their end.
final class RelayedConnection: Sendable {
    private static let patience: Int32 = 5000  // milliseconds
    private static let pieceSize = 64 << 10

    private let port: UInt16
    private let process: InitProcess
    private let outside: OwnedFD
    private let hasEnded = Atomic(false)

    /// - Parameter process: one in the network that the port is of.
    init(_ outside: consuming OwnedFD, to port: UInt16, of process: InitProcess) {
        self.outside = outside
        self.port = port
        self.process = process
    }

    /// Ends it soon, whatever is under way.
    func end() {
        hasEnded.store(true, ordering: .releasing)
        // This wakes the thread; a connection that the other side has reset needs none of it.
        try? outside.shutDown(3)
    }

    /// Blocks until the connection is over. On a thread of its own, which it leaves in the sandbox's network.
    func run() {
        do throws(KernelError) {
            try process.enterNetwork()
            try outside.setNonblocking()
            let inside = try connect()
            try relay(inside)
        } catch {
            // Nobody listens inside, or one side has reset it: so is the other one.
            try? outside.resetOnClose()
        }
    }

    /// To the loopback address, where most listen; else to the one that is known outside.
    private func connect() throws(KernelError) -> OwnedFD {
        do throws(KernelError) {
            return try connect(to: ForwardedPort.hostAddress)
        } catch let error where error.errno == .connectionRefused {
            return try connect(to: InsideAddress.own)
        }
    }

    private func connect(to address: String) throws(KernelError) -> OwnedFD {
        let socket = try OwnedFD.socket(
            domain: AF_INET, type: Int32(SOCK_STREAM.rawValue), protocolNumber: Int32(IPPROTO_TCP))
        try socket.setNonblocking()
        do throws(KernelError) {
            try socket.connect(to: InsideAddress.socketAddress(address, port: port))
        } catch let error where error.errno == .inProgress {
            _ = try socket.waitUntilWritable(milliseconds: Self.patience)
            let failure = try socket.integerOption(SOL_SOCKET, SO_ERROR) ?? 0
            if failure != 0 { throw KernelError("connect", address, errno: Errno(rawValue: failure)) }
        }
        return socket
    }

    private func relay(_ inside: borrowing OwnedFD) throws(KernelError) {
        var inward = Direction()
        var outward = Direction()
        while !(inward.isOver && outward.isOver), !hasEnded.load(ordering: .acquiring) {
            var polled = [
                pollfd(fd: outside.rawValue, events: inward.readiness | outward.writability, revents: 0),
                pollfd(fd: inside.rawValue, events: outward.readiness | inward.writability, revents: 0),
            ]
            // unsafe: poll fills the two elements.
            try check("poll") { unsafe poll(&polled, 2, -1) }
            try inward.move(from: outside, to: inside)
            try outward.move(from: inside, to: outside)
        }
    }

    /// What goes one way.
    private struct Direction {
        private var pending: ArraySlice<UInt8> = []
        private var isAtEnd = false

        var isOver: Bool { isAtEnd && pending.isEmpty }
        /// What to wait for at the source, and at the destination. At most one piece is under way: who sends too fast waits.
        var readiness: Int16 { isAtEnd || !pending.isEmpty ? 0 : Int16(POLLIN) }
        var writability: Int16 { pending.isEmpty ? 0 : Int16(POLLOUT) }

        mutating func move(from source: borrowing OwnedFD, to destination: borrowing OwnedFD) throws(KernelError) {
            if isOver { return }
            if pending.isEmpty {
                switch try source.readOnce(upTo: RelayedConnection.pieceSize) {
                case .bytes(let bytes): pending = bytes[...]
                case .wouldBlock: return
                case .end:
                    isAtEnd = true
                    return try destination.shutDown(2)
                }
            }
            pending = pending.dropFirst(try destination.send(pending) ?? 0)
        }
    }
}

extension OwnedFD {
    /// Has the other side of a connection learn of a reset when this one is closed (socket(7), SO_LINGER).
    fileprivate func resetOnClose() throws(KernelError) {
        try setSocketOption(SOL_SOCKET, SO_LINGER, to: [1, 0, 0, 0, 0, 0, 0, 0])
    }
}
