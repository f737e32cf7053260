import Glibc
import Kernel

/// Makes TCP and UDP sockets.
struct InternetSocketRestore {
    /// Options that are set at the end: addresses are used again meanwhile, and what lies in a connection has to find room.
    private static let late = SocketOptions.buffers.union([SocketOptions.reuseAddress])
    private static let patience: Int32 = 5000

    private let sockets: SocketRestore

    init(_ sockets: SocketRestore) { self.sockets = sockets }

    private var ofTCP: [(Int, SocketImage)] { sockets.sorted.filter { $0.1.isTCP } }
    private var ofUDP: [(Int, SocketImage)] { sockets.sorted.filter { $0.1.isUDP } }

    func makeAll() throws(KernelError) {
        try TCPRoom.whileLarge(enoughFor: ofTCP.map(\.1)) { () throws(KernelError) in
            // While nothing listens, every address can be listened at for a moment.
            for (index, image) in ofTCP { try connect(index, image) }
            for (index, image) in ofTCP where image.relation == .none { try bindOnly(index, image) }
        }
        for (index, image) in ofTCP {
            if let backlog = image.backlog { try sockets.socket(index).descriptor.listen(backlog: backlog) }
        }
        for (index, image) in ofTCP {
            guard case .waits = image.relation else { continue }
            let client = try open(image)
            try client.descriptor.bind(to: image.name.bytes)
            try join(client, to: image.peerName.bytes)
            sockets.enter(client, index)
        }
        for (index, image) in ofUDP {
            let socket = try sockets.open(image)
            if image.isBound { try bind(socket, to: image.name.bytes) }
            sockets.enter(socket, index)
        }
        for (index, image) in ofUDP where !image.peerName.bytes.isEmpty {
            // What comes from others lies in it already.
            for message in image.received { try send(message, to: image, now: true) }
            try connectDatagrams(of: index, to: image.peerName.bytes)
        }
    }

    /// Connects a socket for datagrams. In a sandbox whose network does not lead there, as one that is restored without the
    /// network that it had, the socket stays unconnected: what is sent fails, as it must.
    private func connectDatagrams(of index: Int, to peer: [UInt8]) throws(KernelError) {
        do throws(KernelError) {
            try sockets.socket(index).descriptor.connect(to: peer)
        } catch let error where error.errno.rawValue == ENETUNREACH {
            return
        }
    }

    private func open(_ image: SocketImage) throws(KernelError) -> SharedDescriptor {
        let socket = try sockets.open(image, leavingOut: Self.late)
        try socket.descriptor.setIntegerOption(SOL_SOCKET, SocketOptions.reuseAddress, to: 1)
        return socket
    }

    private func bindOnly(_ index: Int, _ image: SocketImage) throws(KernelError) {
        let socket = try open(image)
        if image.isBound { try bind(socket, to: image.name.bytes) }
        sockets.enter(socket, index)
    }

    private func bind(_ socket: SharedDescriptor, to name: [UInt8]) throws(KernelError) {
        // Only an address of the loopback device, or any address, is surely there in another sandbox.
        if !InternetAddress.isLoopback(name) && !InternetAddress.isWildcard(name) {
            let freeBind: Int32 = 15  // IP_FREEBIND, for both families
            try socket.descriptor.setIntegerOption(0, freeBind, to: 1)
        }
        try socket.descriptor.bind(to: name)
    }

    // MARK: Connections

    private func connect(_ index: Int, _ image: SocketImage) throws(KernelError) {
        switch image.relation {
        case .pair(let peer):
            guard !sockets.isMade(index), let other = sockets.images[peer] else { return }
            let isServer = SocketAddress.port(image.name.bytes) < SocketAddress.port(other.name.bytes)
            if isServer {
                try join(peer, other, with: index, image)
            } else {
                try join(index, image, with: peer, other)
            }
        case .closed:
            // A connection that has ended on both sides tells no addresses any more.
            if image.peerName.bytes.isEmpty { return try joinAnybody(index, image) }
            let client = try open(image)
            try client.descriptor.bind(to: image.name.bytes)
            let partner = try throughListener(at: image.peerName.bytes, image.domain) { () throws(KernelError) in
                try join(client, to: image.peerName.bytes)
            }
            sockets.enter(client, index)
            sockets.enter(partner: partner, of: index)
        case .reset: try joinAnybody(index, image)
        case .none, .sendsTo, .waits: return
        }
    }

    private func join(
        _ client: Int, _ image: SocketImage, with server: Int, _ other: SocketImage
    ) throws(KernelError) {
        let socket = try open(image)
        try socket.descriptor.bind(to: image.name.bytes)
        let accepted = try throughListener(at: other.name.bytes, other.domain) { () throws(KernelError) in
            try join(socket, to: image.peerName.bytes)
        }
        try SocketOptions.apply(other.options, to: accepted.descriptor, leavingOut: Self.late)
        sockets.enter(socket, client)
        sockets.enter(accepted, server)
    }

    /// Connects to a listener of the moment, wherever it is.
    private func joinAnybody(_ index: Int, _ image: SocketImage) throws(KernelError) {
        let client = try open(image)
        let isOld = image.domain == AF_INET
        var nowhere: [UInt8] = isOld ? [2, 0, 0, 0, 127, 0, 0, 1] : [10, 0, 0, 0, 0, 0, 0, 0]
        nowhere += [UInt8](repeating: 0, count: isOld ? 8 : 10)
        if !isOld { nowhere += [0xff, 0xff, 127, 0, 0, 1, 0, 0, 0, 0] }
        let isOnlyNew = try client.descriptor.integerOption(41, 26) == 1  // IPV6_V6ONLY
        if !isOld && isOnlyNew { nowhere = [10] + [UInt8](repeating: 0, count: 22) + [1, 0, 0, 0, 0] }
        let partner = try throughListener(at: nowhere, image.domain) { address throws(KernelError) in
            try join(client, to: address)
        }
        sockets.enter(client, index)
        sockets.enter(partner: partner, of: index)
    }

    private func throughListener(
        at name: [UInt8], _ domain: Int32, _ body: () throws(KernelError) -> Void
    ) throws(KernelError) -> SharedDescriptor {
        try throughListener(at: name, domain) { _ throws(KernelError) in try body() }
    }

    /// - Parameter body: connects to the address that it is given.
    private func throughListener(
        at name: [UInt8], _ domain: Int32, _ body: ([UInt8]) throws(KernelError) -> Void
    ) throws(KernelError) -> SharedDescriptor {
        let listener = SharedDescriptor(
            try OwnedFD.socket(domain: domain, type: SocketType.stream, protocolNumber: Int32(IPPROTO_TCP)))
        try listener.descriptor.setIntegerOption(SOL_SOCKET, SocketOptions.reuseAddress, to: 1)
        try listener.descriptor.bind(to: name)
        try listener.descriptor.listen(backlog: 1)
        try body(try listener.descriptor.localAddress())
        if try !listener.descriptor.waitUntilReadable(milliseconds: Self.patience) {
            throw KernelError("accept", SocketAddress.text(name), errno: Errno(rawValue: ETIMEDOUT))
        }
        return SharedDescriptor(try listener.descriptor.accept())
    }

    private func join(_ client: SharedDescriptor, to address: [UInt8]) throws(KernelError) {
        try client.descriptor.setNonblocking()
        do throws(KernelError) {
            try client.descriptor.connect(to: address)
        } catch let error where error.errno.rawValue == EINPROGRESS {
            if try !client.descriptor.waitUntilWritable(milliseconds: Self.patience) {
                throw KernelError("connect", SocketAddress.text(address), errno: Errno(rawValue: ETIMEDOUT))
            }
        }
    }

    // MARK: Datagrams

    /// - Parameter now: whether the receiver is not connected yet; one that is has been given what lay in it.
    func send(_ message: SocketMessageImage, to image: SocketImage, now: Bool = false) throws(KernelError) {
        if !now && !image.peerName.bytes.isEmpty { return }
        let address = reachable(image.name.bytes)
        if let known = ofUDP.first(where: { owns($0.1, message.sender.bytes) && $0.1.domain == image.domain }) {
            return try sockets.send(message, through: try sockets.socket(known.0), to: address)
        }
        let sender = SharedDescriptor(
            try OwnedFD.socket(domain: image.domain, type: SocketType.datagram, protocolNumber: Int32(IPPROTO_UDP)))
        try sender.descriptor.setIntegerOption(SOL_SOCKET, SocketOptions.reuseAddress, to: 1)
        try sender.descriptor.bind(to: message.sender.bytes)
        try sockets.send(message, through: sender, to: address)
    }

    private func owns(_ image: SocketImage, _ address: [UInt8]) -> Bool {
        SocketAddress.port(image.name.bytes) == SocketAddress.port(address)
            && (InternetAddress.isWildcard(image.name.bytes)
                || InternetAddress.host(image.name.bytes) == InternetAddress.host(address))
    }

    /// What is bound to every address is reached at the loopback one.
    private func reachable(_ name: [UInt8]) -> [UInt8] {
        guard InternetAddress.isWildcard(name) else { return name }
        var name = name
        if name[0] == UInt8(AF_INET) { (name[4], name[7]) = (127, 1) } else { name[23] = 1 }
        return name
    }
}

/// The room that new TCP sockets of the sandbox have.
enum TCPRoom {
    private static let settings = ["/proc/sys/net/ipv4/tcp_rmem", "/proc/sys/net/ipv4/tcp_wmem"]

    /// Gives sockets that are made meanwhile room for all that lies in those of an image: what a connection had grown to in time it
    /// cannot have at once (tcp(7), tcp_rmem).
    static func whileLarge(
        enoughFor images: [SocketImage], _ body: () throws(KernelError) -> Void
    ) throws(KernelError) {
        let most = images.map { $0.received.reduce(0) { $0 + $1.content.bytes.count } }.max() ?? 0
        let usual = 32 << 10
        if most <= usual { return try body() }
        var before: [String] = []
        for setting in settings { before.append(try ProcFS.read(setting)) }
        for (setting, text) in zip(settings, before) {
            var numbers = text.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
            guard numbers.count == 3 else { throw KernelError("read", setting, errno: .invalid) }
            // Each piece counts with what surrounds it.
            numbers[1] = max(numbers[1], most * 4)
            numbers[2] = max(numbers[2], numbers[1])
            try ProcFS.write(numbers.map { "\($0)" }.joined(separator: " "), to: setting)
        }
        let outcome: Result<Void, KernelError>
        do throws(KernelError) { outcome = .success(try body()) } catch { outcome = .failure(error) }
        for (setting, text) in zip(settings, before) { try ProcFS.write(text, to: setting) }
        try outcome.get()
    }
}
