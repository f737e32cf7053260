import Glibc
import Kernel

/// Finds out how the captured sockets stand to each other and what lies in them, once all are known.
///
/// Belongs to the tracing thread, while everything stands still.
struct SocketRelations {
    private let context: CaptureContext
    private let unixSockets: UnixSocketList

    /// Nil when there are no sockets.
    init?(_ context: CaptureContext) throws(KernelError) {
        if context.sockets.isEmpty { return nil }
        self.context = context
        let initPid = context.request.initPid
        unixSockets = try Thread.run(name: "sockets") { () throws(KernelError) in
            try ThreadNamespaces.enterNetwork(of: try PidFD(opening: initPid))
            return try UnixSocketList.read()
        }
    }

    // MARK: Content

    /// Reads what lies in a socket.
    func readContent(of index: Int) throws(ResourceError) {
        guard var image = image(index), let socket = context.sockets[index] else { return }
        if image.isUnix {
            let entry = unixSockets.entries[socket.inode]
            image.shutdown = entry?.shutdown ?? 0
            if let entry, entry.state == Self.listening { image.backlog = Int32(entry.limit) }
        }
        if image.isTCP {
            try kernel { () throws(KernelError) in try TCPSockets.read(&image, socket.descriptor) }
        } else if image.backlog == nil && (image.isUnix || image.isUDP) {
            do throws(ResourceError) {
                image.received = try SocketContent.read(
                    socket.descriptor, hasMessages: image.hasMessages, canEnd: image.isUnix && image.shutdown & 1 != 0,
                    context)
            } catch {
                guard case .unsupported(let reason) = error else { throw error }
                throw .unsupported("it has a socket that cannot be kept: \(reason) (descriptor \(socket.number))")
            }
        }
        if image.hasPath && image.file != nil && image.bindingFolder == nil {
            let name = SocketAddress.text(image.name.bytes)
            throw .unsupported(
                "it has a socket bound to \(name), a place that cannot be told (descriptor \(socket.number))")
        }
        set(image, at: index)
    }

    private static let listening: UInt8 = 10  // TCP_LISTEN, of unix sockets too

    // MARK: Relations

    /// - Parameter kept: the indexes of descriptions that processes have which are kept.
    func connect(_ kept: Set<Int>) throws(KernelError) {
        let indexes = context.sockets.keys.filter(kept.contains).sorted()
        try connectUnix(indexes)
        try TCPRelations(context, indexes).connect()
        reportUDP(indexes)
    }

    private func connectUnix(_ indexes: [Int]) throws(KernelError) {
        var byInode: [UInt32: Int] = [:]
        for index in indexes { if let socket = context.sockets[index] { byInode[socket.inode] = index } }
        var waiting: [UInt32: Int] = [:]
        for index in indexes {
            guard let socket = context.sockets[index] else { continue }
            for client in unixSockets.entries[socket.inode]?.waiting ?? [] { waiting[client] = index }
        }
        for index in indexes {
            guard var image = image(index), let socket = context.sockets[index], image.isUnix, image.backlog == nil,
                let entry = unixSockets.entries[socket.inode]
            else { continue }
            if let listener = waiting[socket.inode] {
                image.relation = .waits(at: listener)
                // What it has sent cannot be seen before it is accepted.
                if try socket.descriptor.bytesUnderWay() > 0 {
                    image.relation = .reset
                    image.loss = "a connection with data that \(name(listener)) has not accepted yet is reset"
                }
            } else if let peer = byInode[entry.peer] {
                let isMutual =
                    context.sockets[peer].map { unixSockets.entries[$0.inode]?.peer == socket.inode } ?? false
                image.relation = isMutual ? .pair(peer) : .sendsTo(peer)
            } else if entry.peer != 0 || image.hasPeer {
                image.relation = .closed
                if entry.peer != 0 {
                    image.loss = "the other end of a unix socket is no part of the snapshot: it is closed"
                }
            }
            set(image, at: index)
        }
    }

    private func name(_ index: Int) -> String { SocketAddress.text(image(index)?.name.bytes ?? []) }

    /// Datagrams keep where they come from as long as that is in the sandbox.
    private func reportUDP(_ indexes: [Int]) {
        for index in indexes {
            guard var image = image(index), image.isUDP else { continue }
            let count = image.received.count
            image.received.removeAll { !InternetAddress.isLocal($0.sender.bytes) }
            if image.received.count < count {
                image.loss = "\(count - image.received.count) datagrams from outside that lie unread are lost"
            }
            set(image, at: index)
        }
    }

    private func image(_ index: Int) -> SocketImage? { context.socketImage(index) }
    private func set(_ image: SocketImage, at index: Int) { context.tree.descriptions[index].kind = .socket(image) }
}

extension CaptureContext {
    /// What of a description begins anew, for people.
    func loss(of index: Int) -> String? {
        switch tree.descriptions[index].kind {
        case .socket(let image): image.loss
        case .pollSet(let image): image.loss
        case .terminal(let side): tree.terminals[side.terminal].loss
        default: nil
        }
    }

    func socketImage(_ index: Int) -> SocketImage? {
        if case .socket(let image) = tree.descriptions[index].kind { image } else { nil }
    }
}

extension SocketImage {
    /// Whether a unix socket was connected once.
    fileprivate var hasPeer: Bool { !peerName.bytes.isEmpty || (type != 2 && peer != nil) || shutdown != 0 }
}

/// Addresses of the internet families, as sockaddr.
enum InternetAddress {
    /// A form in which an address and the same one of IPv4 within IPv6 are alike.
    static func normal(_ address: [UInt8]) -> [UInt8] {
        guard address.count >= 4 else { return [] }
        let port = Array(address[2..<4])
        if address[0] == UInt8(AF_INET), address.count >= 8 { return port + address[4..<8] }
        guard address.count >= 24 else { return [] }
        let host = Array(address[8..<24])
        let isMapped = host[..<10].allSatisfy { $0 == 0 } && host[10] == 0xff && host[11] == 0xff
        return port + (isMapped ? Array(host[12...]) : host)
    }

    static func host(_ address: [UInt8]) -> [UInt8] { Array(normal(address).dropFirst(2)) }

    static func isWildcard(_ address: [UInt8]) -> Bool { host(address).allSatisfy { $0 == 0 } }

    static func isLoopback(_ address: [UInt8]) -> Bool {
        let host = host(address)
        if host.count == 4 { return host[0] == 127 }
        return host.count == 16 && host.dropLast().allSatisfy { $0 == 0 } && host[15] == 1
    }

    /// Whether only the sandbox itself can have it.
    static func isLocal(_ address: [UInt8]) -> Bool { isLoopback(address) }
}
