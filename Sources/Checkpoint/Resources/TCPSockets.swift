import Glibc
import Kernel

/// TCP connections, as the kernel shows them (tcp(7)).
enum TCPSockets {
    private static let level: Int32 = 6  // IPPROTO_TCP
    private static let (info, repair, repairQueue, queueSequence): (Int32, Int32, Int32, Int32) = (11, 19, 20, 21)
    private static let (repairOn, repairOff): (Int32, Int32) = (1, -1)  // -1: without a window probe
    private static let (receiveQueue, sendQueue): (Int32, Int32) = (1, 2)
    private static let infoSize = 104

    enum State: UInt8 {
        case established = 1
        case connecting, accepting, finWait1, finWait2, timeWait, closed, closeWait, lastAck, listening, closing

        /// Whether it has said that it will send no more.
        var hasFinished: Bool { [.finWait1, .finWait2, .timeWait, .lastAck, .closing].contains(self) }
    }

    static func state(of socket: borrowing OwnedFD) throws(KernelError) -> State {
        State(rawValue: try socket.socketOption(level, info, size: infoSize)?.first ?? 7) ?? .closed
    }

    /// Fills in what one socket tells without its peer.
    static func read(_ image: inout SocketImage, _ socket: borrowing OwnedFD) throws(KernelError) {
        let state = try state(of: socket)
        if state == .listening {
            let backlogOffset = 28
            let facts = try socket.socketOption(level, info, size: infoSize) ?? []
            // unsafe: the number lies within what the kernel has filled, which is checked.
            image.backlog =
                facts.count >= backlogOffset + 4
                ? unsafe facts.withUnsafeBytes {
                    unsafe $0.loadUnaligned(fromByteOffset: backlogOffset, as: Int32.self)
                }
                : SOMAXCONN
            return
        }
        let events = try socket.pollNow()
        let receivesNoMore = events & 0x2000 != 0  // POLLRDHUP
        image.shutdown = (receivesNoMore ? 1 : 0) | (state.hasFinished ? 2 : 0)
        if state == .closed {
            // One that was never connected shows no end of what it receives.
            if receivesNoMore { image.relation = events & Int32(POLLERR) != 0 ? .reset : .closed }
            image.shutdown = receivesNoMore ? 3 : 0
        }
        if state == .closed && !receivesNoMore || state == .connecting { return }
        let unread = try socket.bytesUnread()
        if unread > 0, let message = try socket.peek(upTo: unread) {
            image.received = [SocketMessageImage(content: Blob(message.bytes), sender: Blob())]
        }
    }

    /// What lies at one end of a connection, and what the other one has sent to it and is still under way.
    ///
    /// The processes stand still, the connection does not: what moves meanwhile is looked at again.
    static func incoming(
        at receiver: borrowing OwnedFD, from sender: borrowing OwnedFD
    ) throws(KernelError) -> [UInt8] {
        let attempts = 100
        for _ in 0..<attempts {
            let received = try sequence(of: receiver, receiveQueue).number
            let unread = try receiver.bytesUnread()
            let arrived = unread > 0 ? try receiver.peek(upTo: unread)?.bytes ?? [] : []
            let isEndReceived = try receiver.pollNow() & 0x2000 != 0
            let (written, content) = try sequence(of: sender, sendQueue)
            let isEndWritten = try state(of: sender).hasFinished
            if try sequence(of: receiver, receiveQueue).number != received || arrived.count != unread { continue }
            // The end of a direction takes a number too.
            let end = written &- (isEndWritten ? 1 : 0)
            let missing = Int(Int32(bitPattern: end &- (received &- (isEndReceived ? 1 : 0))))
            if missing > content.count { continue }
            return missing > 0 ? arrived + content.suffix(missing) : arrived
        }
        throw KernelError("setsockopt(TCP_REPAIR)", "a connection that does not come to rest", errno: .busy)
    }

    /// The sequence number at the end of a queue; of what is sent, the queue's content too. Repairing changes nothing but the
    /// option that an address may be used again, which is put back.
    private static func sequence(
        of socket: borrowing OwnedFD, _ queue: Int32
    ) throws(KernelError) -> (number: UInt32, content: [UInt8]) {
        let reuse = try socket.integerOption(SOL_SOCKET, SocketOptions.reuseAddress) ?? 0
        try socket.setIntegerOption(level, repair, to: repairOn)
        let result: (UInt32, [UInt8])
        do throws(KernelError) {
            try socket.setIntegerOption(level, repairQueue, to: queue)
            let number = UInt32(bitPattern: try socket.integerOption(level, queueSequence) ?? 0)
            var content: [UInt8] = []
            if queue == sendQueue { content = try socket.peek(upTo: try socket.bytesUnderWay())?.bytes ?? [] }
            result = (number, content)
        } catch {
            // What failed here is why the capture fails.
            try? socket.setIntegerOption(level, repair, to: repairOff)
            try? socket.setIntegerOption(SOL_SOCKET, SocketOptions.reuseAddress, to: reuse)
            throw error
        }
        try socket.setIntegerOption(level, repair, to: repairOff)
        try socket.setIntegerOption(SOL_SOCKET, SocketOptions.reuseAddress, to: reuse == 0 ? 0 : 1)
        return result
    }
}

/// Finds the two ends of connections within the sandbox.
struct TCPRelations {
    private let context: CaptureContext
    private let indexes: [Int]

    init(_ context: CaptureContext, _ indexes: [Int]) {
        self.context = context
        self.indexes = indexes.filter { context.socketImage($0)?.isTCP == true }
    }

    func connect() throws(KernelError) {
        var byEnds: [[UInt8]: Int] = [:]
        for index in indexes {
            guard let image = context.socketImage(index), !image.peerName.bytes.isEmpty else { continue }
            byEnds[ends(image.name.bytes, image.peerName.bytes)] = index
        }
        for index in indexes {
            guard var image = context.socketImage(index), let socket = context.sockets[index], image.backlog == nil
            else { continue }
            if !image.peerName.bytes.isEmpty {
                if let peer = byEnds[ends(image.peerName.bytes, image.name.bytes)], peer != index {
                    image.relation = .pair(peer)
                    if let other = context.sockets[peer] {
                        let content = try TCPSockets.incoming(at: socket.descriptor, from: other.descriptor)
                        image.received =
                            content.isEmpty ? [] : [SocketMessageImage(content: Blob(content), sender: Blob())]
                    }
                } else {
                    try settle(&image, socket)
                }
            } else if image.relation == .none, try TCPSockets.state(of: socket.descriptor) == .connecting {
                image.relation = .reset
                image.loss = "a TCP connection that is being made is reset"
            }
            if image.relation == .reset || image.relation == .closed { image.backlog = nil }
            context.tree.descriptions[index].kind = .socket(image)
        }
    }

    private func ends(_ near: [UInt8], _ far: [UInt8]) -> [UInt8] {
        InternetAddress.normal(near) + [0] + InternetAddress.normal(far)
    }

    /// A connection whose other end no captured descriptor leads to.
    private func settle(_ image: inout SocketImage, _ socket: CapturedSocket) throws(KernelError) {
        let far = image.peerName.bytes
        let isWithin =
            InternetAddress.isLoopback(far) || InternetAddress.host(far) == InternetAddress.host(image.name.bytes)
        if isWithin && image.shutdown & 1 != 0 {
            image.relation = .closed
            return
        }
        if isWithin, let listener = listener(of: far), try unaccepted(image) {
            if try socket.descriptor.bytesUnderWay() == 0 {
                image.relation = .waits(at: listener)
                return
            }
        }
        image.relation = .reset
        image.loss = "the TCP connection to \(SocketAddress.text(far)) is reset"
    }

    private func listener(of address: [UInt8]) -> Int? {
        indexes.first { index in
            guard let image = context.socketImage(index), image.backlog != nil else { return false }
            let name = image.name.bytes
            return SocketAddress.port(name) == SocketAddress.port(address)
                && (InternetAddress.isWildcard(name) || InternetAddress.host(name) == InternetAddress.host(address))
        }
    }

    /// Whether the kernel holds the other end, without anything in it, for somebody who will accept it: no inode, no data
    /// (/proc/PID/net/tcp, proc_pid_net(5)).
    private func unaccepted(_ image: SocketImage) throws(KernelError) -> Bool {
        let near = hexadecimal(image.peerName.bytes)
        let far = hexadecimal(image.name.bytes)
        let file = near.count > 13 ? "tcp6" : "tcp"
        let table = try ProcFS.readWhole("/proc/\(context.request.initPid)/net/\(file)")
        for line in table.lines.dropFirst() {
            let fields = line.words
            guard fields.count > 9, fields[1] == near, fields[2] == far else { continue }
            return fields[9] == "0" && fields[4].hasSuffix(":00000000")
        }
        return false
    }

    /// As /proc/net/tcp writes addresses: groups of four bytes, each as a number of this machine.
    private func hexadecimal(_ address: [UInt8]) -> String {
        func digits(_ byte: UInt8) -> String { (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true) }
        let host = address[0] == UInt8(AF_INET) ? Array(address[4..<8]) : Array(address[8..<24])
        let groups = stride(from: 0, to: host.count, by: 4).map { start in
            host[start..<(start + 4)].reversed().map(digits).joined()
        }
        return groups.joined() + ":" + digits(address[2]) + digits(address[3])
    }
}
