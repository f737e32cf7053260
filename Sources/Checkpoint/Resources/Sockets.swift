import Glibc
import Kernel

/// A socket of a family that can be made anew: unix, internet (TCP and UDP), netlink.
struct SocketImage: Codable, Sendable {
    var domain: Int32
    var type: Int32
    var protocolNumber: Int32
    /// Of the socket itself, as the kernel's tables show it.
    var owner: UInt32
    var group: UInt32
    /// A sockaddr; without a name when it is bound to nothing.
    var name: Blob
    /// A sockaddr; empty when it is connected to nothing.
    var peerName: Blob
    var options: [SocketOptionImage]
    /// How many connections may wait, of a listener.
    var backlog: Int32?
    /// Directions that are shut down. Bit 0: for receiving, bit 1: for sending.
    var shutdown: UInt8 = 0
    var relation = Relation.none
    /// What lies in it.
    var received: [SocketMessageImage] = []
    /// Of a unix socket that is bound to a path.
    var file: BoundFileImage?
    /// What it tells of the process at the other end (unix(7), SO_PEERCRED).
    var peer: SocketPeerImage?
    /// What of it begins anew, for people.
    var loss: String?

    /// How it stands to other sockets, by their indexes in `TreeImage.descriptions`.
    enum Relation: Codable, Sendable, Equatable {
        case none
        /// Connected to each other.
        case pair(Int)
        /// Sends to another one, which does not send back.
        case sendsTo(Int)
        /// Waits to be accepted.
        case waits(at: Int)
        /// The other end has been closed.
        case closed
        /// The other end is out of reach.
        case reset
    }
}

struct SocketOptionImage: Codable, Sendable, Equatable {
    var level: Int32
    var name: Int32
    var value: Blob
}

/// A message, or a part of a stream.
struct SocketMessageImage: Codable, Sendable {
    var content: Blob
    /// The sender's sockaddr.
    var sender: Blob
    /// The sender's process in the sandbox, where the message tells it.
    var process: Int32?
    /// What is under way with it, indexes into `TreeImage.descriptions`.
    var descriptors: [Int] = []
}

struct BoundFileImage: Codable, Sendable {
    /// In the sandbox.
    var path: String
    var isDeleted: Bool
    var permissions: UInt32
    var owner: UInt32
    var group: UInt32
}

struct SocketPeerImage: Codable, Sendable, Equatable {
    /// In the sandbox; 0 when it has ended.
    var pid: Int32
    var user: UInt32
    var group: UInt32
}

/// A socket of the sandbox in the engine's hands while it is captured.
final class CapturedSocket {
    let descriptor: OwnedFD
    let inode: UInt32
    /// The process and descriptor by which it was found, for people.
    let number: Int32

    init(_ view: DescriptorView) throws(KernelError) {
        descriptor = try view.duplicate()
        inode = UInt32(truncatingIfNeeded: view.status.identity.inode)
        number = view.number
    }
}

enum Sockets {
    static let multipath: Int32 = 262  // IPPROTO_MPTCP

    /// What a socket tells of itself; `SocketRelations` completes it when all are known.
    static func capture(_ view: DescriptorView, _ context: CaptureContext) throws(ResourceError) -> SocketImage {
        let (socket, domain, type, number) = try kernel { () throws(KernelError) in
            let socket = SharedDescriptor(try view.duplicate())
            return (
                socket, try socket.descriptor.integerOption(SOL_SOCKET, SO_DOMAIN) ?? -1,
                try socket.descriptor.integerOption(SOL_SOCKET, SO_TYPE) ?? -1,
                try socket.descriptor.integerOption(SOL_SOCKET, SO_PROTOCOL) ?? -1
            )
        }
        if let refusal = refusal(domain, type, number) {
            throw .unsupported("it has \(refusal) open (descriptor \(view.number))")
        }
        return try kernel { () throws(KernelError) in
            let descriptor = socket
            var image = SocketImage(
                domain: domain, type: type, protocolNumber: number, owner: view.status.owner,
                group: view.status.group, name: Blob(try descriptor.descriptor.localAddress()),
                peerName: Blob(try descriptor.descriptor.peerAddress() ?? []),
                options: try SocketOptions.capture(descriptor.descriptor, domain, type))
            if domain == AF_UNIX { try UnixSockets.complete(&image, descriptor.descriptor, context) }
            if domain == AF_NETLINK { image.loss = "a netlink socket forgets what it was told" }
            return image
        }
    }

    /// What a socket is that cannot be made anew; nil when it can.
    private static func refusal(_ domain: Int32, _ type: Int32, _ number: Int32) -> String? {
        let (stream, datagram, raw, packet): (Int32, Int32, Int32, Int32) = (1, 2, 3, 5)
        switch (domain, type) {
        case (AF_UNIX, stream), (AF_UNIX, datagram), (AF_UNIX, packet): return nil
        case (AF_INET, stream), (AF_INET6, stream):
            return [Int32(IPPROTO_TCP), multipath].contains(number) ? nil : "a stream socket of protocol \(number)"
        case (AF_INET, datagram), (AF_INET6, datagram):
            return number == Int32(IPPROTO_UDP) ? nil : "a datagram socket of protocol \(number)"
        case (AF_NETLINK, _): return nil
        case (AF_PACKET, _): return "a packet socket"
        case (_, raw): return "a raw socket"
        default: return "a socket of family \(domain)"
        }
    }
}

extension SocketImage {
    var isUnix: Bool { domain == AF_UNIX }
    var isInternet: Bool { domain == AF_INET || domain == AF_INET6 }
    /// Of TCP, which may be one of several paths.
    var isTCP: Bool { isInternet && type == 1 }
    var isUDP: Bool { isInternet && type == 2 }
    /// Whether messages keep their limits.
    var hasMessages: Bool { type != 1 }
    var isBound: Bool { isInternet ? SocketAddress.port(name.bytes) != 0 : name.bytes.count > 2 }
}
