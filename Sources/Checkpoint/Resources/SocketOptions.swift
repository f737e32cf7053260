import Glibc
import Kernel

/// Options of sockets, as setsockopt(2) takes them. What a socket has by itself is not set again.
enum SocketOptions {
    static let reuseAddress: Int32 = 2
    private static let onlyIPv6: Int32 = 26
    private static let (sendBuffer, receiveBuffer, bufferLocks): (Int32, Int32, Int32) = (7, 8, 72)

    /// By level: names and sizes. Before buffers come the options that have to be there when the socket gets its name.
    private static let ofAll: [(Int32, Int)] = [
        (2, 4), (15, 4), (5, 4), (6, 4), (9, 4), (10, 4), (12, 4), (13, 8), (16, 4), (18, 4), (20, 16), (21, 16),
        (29, 4), (35, 4), (36, 4), (40, 4), (42, 4),
    ]
    private static let ofTCP: [(Int32, Int)] = [
        (1, 4), (3, 4), (4, 4), (5, 4), (6, 4), (7, 4), (8, 4), (9, 4), (18, 4), (25, 4),
    ]
    private static let ofUDP: [(Int32, Int)] = [(103, 4), (104, 4)]
    private static let ofIP: [(Int32, Int)] = [
        (1, 4), (2, 4), (8, 4), (10, 4), (11, 4), (12, 4), (13, 4), (15, 4), (24, 4),
    ]
    private static let ofIPv6: [(Int32, Int)] = [
        (26, 4), (16, 4), (23, 4), (25, 4), (49, 4), (51, 4), (66, 4), (67, 4),
    ]
    /// Of sockets that can send to groups: a stream has them too, and refuses to have them set.
    private static let (ofIPGroups, ofIPv6Groups): ([(Int32, Int)], [(Int32, Int)]) = (
        [(33, 4), (34, 4)], [(18, 4), (19, 4)]
    )
    private static let ofNetlink: [(Int32, Int)] = [(3, 4), (5, 4), (11, 4), (12, 4)]
    private static let (ipLevel, tcpLevel, udpLevel, ipv6Level, netlinkLevel): (Int32, Int32, Int32, Int32, Int32) =
        (0, 6, 17, 41, 270)

    static func capture(
        _ socket: borrowing OwnedFD, _ domain: Int32, _ type: Int32
    ) throws(KernelError) -> [SocketOptionImage] {
        var tables: [(Int32, [(Int32, Int)])] = [(SOL_SOCKET, ofAll)]
        if domain == AF_INET6 { tables.append((ipv6Level, ofIPv6)) }
        if domain == AF_INET { tables.append((ipLevel, ofIP)) }
        if domain == AF_INET || domain == AF_INET6 {
            tables.append(type == 1 ? (tcpLevel, ofTCP) : (udpLevel, ofUDP))
        }
        if domain == AF_INET && type == 2 { tables.append((ipLevel, ofIPGroups)) }
        if domain == AF_INET6 && type == 2 { tables.append((ipv6Level, ofIPv6Groups)) }
        if domain == AF_NETLINK { tables.append((netlinkLevel, ofNetlink)) }
        tables.append((SOL_SOCKET, [(sendBuffer, 4), (receiveBuffer, 4), (bufferLocks, 4)]))
        var images: [SocketOptionImage] = []
        for (level, names) in tables {
            for (name, size) in names {
                guard let value = try socket.socketOption(level, name, size: size) else { continue }
                images.append(SocketOptionImage(level: level, name: name, value: Blob(value)))
            }
        }
        return images
    }

    /// - Parameter leavingOut: names of options of all sockets that keep the value that they have.
    static func apply(
        _ options: [SocketOptionImage], to socket: borrowing OwnedFD, leavingOut: Set<Int32> = []
    ) throws(KernelError) {
        for option in options where !(option.level == SOL_SOCKET && leavingOut.contains(option.name)) {
            let present = try socket.socketOption(option.level, option.name, size: option.value.bytes.count)
            guard let present, present != option.value.bytes else { continue }
            // Settled when the socket gets its name; the kernel sets it for addresses that only IPv6 has.
            if option.level == ipv6Level, option.name == onlyIPv6,
                SocketAddress.port(try socket.localAddress()) != 0
            {
                continue
            }
            if option.level == SOL_SOCKET, option.name == sendBuffer || option.name == receiveBuffer {
                // The kernel doubles what it is given (socket(7)).
                try socket.setIntegerOption(option.level, option.name, to: number(option) / 2)
            } else {
                try socket.setSocketOption(option.level, option.name, to: option.value.bytes)
            }
        }
    }

    static let buffers: Set<Int32> = [sendBuffer, receiveBuffer, bufferLocks]

    private static func number(_ option: SocketOptionImage) -> Int32 {
        // unsafe: a buffer's option has four bytes, which is checked.
        option.value.bytes.count == 4
            ? unsafe option.value.bytes.withUnsafeBytes { unsafe $0.loadUnaligned(as: Int32.self) } : 0
    }
}
