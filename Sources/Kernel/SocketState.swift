import CKernel
import Glibc

/// State of sockets that has to be read from one and given to another.
extension OwnedFD {
    // MARK: Making and naming

    /// A socket of the calling thread's network namespace, close-on-exec.
    public static func socket(domain: Int32, type: Int32, protocolNumber: Int32) throws(KernelError) -> OwnedFD {
        OwnedFD(
            takingOver: try check("socket", "family \(domain), type \(type), protocol \(protocolNumber)") {
                ck_socket(domain, type, protocolNumber)
            })
    }

    /// - Parameter address: a sockaddr.
    public func bind(to address: [UInt8]) throws(KernelError) {
        // unsafe: the kernel reads the array.
        try check("bind", SocketAddress.text(address)) {
            unsafe ck_bind(rawValue, address, UInt32(address.count))
        }
    }

    public func connect(to address: [UInt8]) throws(KernelError) {
        // unsafe: the kernel reads the array.
        try check("connect", SocketAddress.text(address)) {
            unsafe ck_connect(rawValue, address, UInt32(address.count))
        }
    }

    public func listen(backlog: Int32) throws(KernelError) {
        try check("listen") { Glibc.listen(rawValue, backlog) }
    }

    /// Takes a connection that waits.
    public func accept() throws(KernelError) -> OwnedFD {
        OwnedFD(takingOver: try check("accept") { ck_accept(rawValue) })
    }

    /// Shuts the directions of a set down, bit 0 for receiving and bit 1 for sending; one that is shut already is no error.
    public func shutDown(_ directions: UInt8) throws(KernelError) {
        guard directions & 3 != 0 else { return }
        do throws(KernelError) {
            try check("shutdown") { Glibc.shutdown(rawValue, Int32(directions & 3) - 1) }
        } catch let error where error.errno == .notConnected {
            return
        }
    }

    /// Its own address, as a sockaddr.
    public func localAddress() throws(KernelError) -> [UInt8] { try address(ofPeer: false) }

    /// Of what it is connected to; nil when it is not.
    public func peerAddress() throws(KernelError) -> [UInt8]? {
        do throws(KernelError) {
            return try address(ofPeer: true)
        } catch let error where error.errno == .notConnected || error.errno == .invalid {
            return nil
        }
    }

    private func address(ofPeer: Bool) throws(KernelError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Int(CK_ADDRESS_SIZE))
        var length = UInt32(bytes.count)
        // unsafe: the kernel fills at most the array.
        try check(ofPeer ? "getpeername" : "getsockname") {
            unsafe ck_socket_name(rawValue, ofPeer ? 1 : 0, &bytes, &length)
        }
        return Array(bytes.prefix(Int(length)))
    }

    /// The file that a unix socket is bound to, path only; nil when there is none.
    public func boundFile() throws(KernelError) -> OwnedFD? {
        do throws(KernelError) {
            return OwnedFD(takingOver: try check("ioctl(SIOCUNIXFILE)") { ck_unix_file(rawValue) })
        } catch let error where error.errno == .noSuchFile {
            return nil
        }
    }

    // MARK: Options

    /// An option's value; nil when the socket has no such option.
    public func socketOption(_ level: Int32, _ name: Int32, size: Int = 4) throws(KernelError) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: size)
        var length = UInt32(size)
        do throws(KernelError) {
            // unsafe: the kernel fills at most the array.
            try check("getsockopt", "\(level), \(name)") {
                unsafe ck_get_option(rawValue, level, name, &bytes, &length)
            }
        } catch let error where Self.saysNoSuchOption(error.errno) {
            return nil
        }
        return Array(bytes.prefix(Int(length)))
    }

    private static func saysNoSuchOption(_ errno: Errno) -> Bool {
        [ENOPROTOOPT, EOPNOTSUPP, ENOTCONN, EINVAL].contains(errno.rawValue)
    }

    public func integerOption(_ level: Int32, _ name: Int32) throws(KernelError) -> Int32? {
        guard let bytes = try socketOption(level, name), bytes.count == 4 else { return nil }
        // unsafe: the array has four bytes.
        return unsafe bytes.withUnsafeBytes { unsafe $0.loadUnaligned(as: Int32.self) }
    }

    public func setSocketOption(_ level: Int32, _ name: Int32, to value: [UInt8]) throws(KernelError) {
        // unsafe: the kernel reads the array.
        try check("setsockopt", "\(level), \(name)") {
            unsafe ck_set_option(rawValue, level, name, value, UInt32(value.count))
        }
    }

    public func setIntegerOption(_ level: Int32, _ name: Int32, to value: Int32) throws(KernelError) {
        try setSocketOption(level, name, to: plainBytes(of: value))
    }

    // MARK: Content

    public func bytesUnread() throws(KernelError) -> Int {
        Int(try check("ioctl(SIOCINQ)") { ck_bytes_unread(rawValue) })
    }

    /// Bytes that were written and have not arrived for good.
    public func bytesUnderWay() throws(KernelError) -> Int {
        Int(try check("ioctl(SIOCOUTQ)") { ck_bytes_under_way(rawValue) })
    }

    /// What poll(2) says of it now.
    public func pollNow() throws(KernelError) -> Int32 { try check("poll") { ck_poll_now(rawValue) } }

    /// - Returns: false when it took too long.
    public func waitUntilWritable(milliseconds: Int32) throws(KernelError) -> Bool {
        try check("poll") { ck_wait_writable(rawValue, milliseconds) } > 0
    }

    public func waitUntilReadable(milliseconds: Int32) throws(KernelError) -> Bool {
        try check("poll") { ck_wait_readable(rawValue, milliseconds) } > 0
    }

    /// Sends without waiting, to where it is connected or to an address; how many bytes. Nil when there is no room.
    public func send(_ bytes: ArraySlice<UInt8>, to address: [UInt8] = []) throws(KernelError) -> Int? {
        do throws(KernelError) {
            // unsafe: the kernel reads both arrays.
            return try check("sendto", SocketAddress.text(address)) {
                unsafe bytes.withUnsafeBytes {
                    unsafe ck_send_to(rawValue, $0.baseAddress, $0.count, address, UInt32(address.count))
                }
            }
        } catch let error where error.errno == .again {
            return nil
        }
    }

    /// Reads what comes next and leaves it there; nil when nothing is there.
    public func peek(upTo limit: Int) throws(KernelError) -> PeekedMessage? {
        var message = ck_message()
        var bytes = [UInt8](repeating: 0, count: limit)
        do throws(KernelError) {
            // unsafe: the kernel fills at most the array and the struct.
            let count = try check("recvmsg(MSG_PEEK)") {
                unsafe bytes.withUnsafeMutableBytes {
                    unsafe ck_peek_message(rawValue, $0.baseAddress, $0.count, &message)
                }
            }
            return PeekedMessage(Array(bytes.prefix(count)), &message)
        } catch let error where error.errno == .again || error.errno == .notConnected {
            return nil
        }
    }
}

/// A message that lies in a socket.
public final class PeekedMessage {
    public let bytes: [UInt8]
    /// The sender's address; empty when it has none.
    public let sender: [UInt8]
    /// Copies, to be taken by `takeDescriptors`.
    private var descriptors: [Int32]
    /// The sender's process, user and group, as the calling process numbers them.
    public let credentials: (pid: Int32, user: UInt32, group: UInt32)?
    public let isCut: Bool

    init(_ bytes: [UInt8], _ message: inout ck_message) {
        self.bytes = bytes
        // unsafe: the arrays are as long as the struct's; the counts are the kernel's.
        sender = unsafe withUnsafeBytes(of: &message.address) {
            unsafe Array($0.prefix(Int(message.address_length)))
        }
        let count = Int(message.descriptor_count)
        descriptors = unsafe withUnsafeBytes(of: &message.descriptors) {
            unsafe Array($0.bindMemory(to: Int32.self).prefix(count))
        }
        credentials = message.has_credentials != 0 ? (message.pid, message.uid, message.gid) : nil
        isCut = message.flags != 0
    }

    public var hasDescriptors: Bool { !descriptors.isEmpty }

    public func takeNextDescriptor() -> OwnedFD? {
        descriptors.isEmpty ? nil : OwnedFD(takingOver: descriptors.removeFirst())
    }

    deinit { for descriptor in descriptors { close(descriptor) } }
}

/// Addresses of sockets, for people.
public enum SocketAddress {
    public static func text(_ address: [UInt8]) -> String {
        guard address.count > 2 else { return "" }
        let family = Int32(address[0]) | Int32(address[1]) << 8
        switch family {
        case AF_UNIX:
            let name = address.dropFirst(2)
            if name.first == 0 { return "@" + String(decoding: name.dropFirst(), as: UTF8.self) }
            return String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)
        case AF_INET where address.count >= 8:
            return address[4..<8].map { "\($0)" }.joined(separator: ".") + ":\(port(address))"
        case AF_INET6 where address.count >= 24:
            let groups = stride(from: 8, to: 24, by: 2).map { UInt16(address[$0]) << 8 | UInt16(address[$0 + 1]) }
            return "[" + groups.map { String($0, radix: 16) }.joined(separator: ":") + "]:\(port(address))"
        default: return "of family \(family)"
        }
    }

    /// Of an internet address.
    public static func port(_ address: [UInt8]) -> UInt16 {
        address.count >= 4 ? UInt16(address[2]) << 8 | UInt16(address[3]) : 0
    }
}

/// The kernel's list of unix sockets of one network namespace.
public struct UnixSocketList: Sendable {
    public struct Entry: Sendable {
        public let peer: UInt32
        public let state: UInt8
        /// Bit 0: for receiving, bit 1: for sending.
        public let shutdown: UInt8
        /// How many connections may wait, of a listener.
        public let limit: UInt32
        /// The clients that wait to be accepted, in the order in which they will be.
        public let waiting: [UInt32]
    }

    /// By inode.
    public let entries: [UInt32: Entry]

    /// Of the namespace of the calling thread.
    public static func read() throws(KernelError) -> UnixSocketList {
        let list = OwnedFD(takingOver: try check("socket(NETLINK_SOCK_DIAG)") { ck_open_socket_list() })
        var room = 512
        while true {
            do throws(KernelError) {
                return try read(list, room: room)
            } catch let error where error.errno == .noSpace {
                room *= 4
            }
        }
    }

    private static func read(_ list: borrowing OwnedFD, room: Int) throws(KernelError) -> UnixSocketList {
        var sockets = [ck_unix_socket](repeating: ck_unix_socket(), count: room)
        var clients = [UInt32](repeating: 0, count: room)
        // unsafe: the call fills at most both arrays.
        let count = try check("sock_diag") {
            unsafe ck_list_unix_sockets(list.rawValue, &sockets, Int32(room), &clients, Int32(room))
        }
        var entries: [UInt32: Entry] = [:]
        for socket in sockets.prefix(Int(count)) {
            let first = Int(socket.first_waiting)
            entries[socket.inode] = Entry(
                peer: socket.peer, state: socket.state, shutdown: socket.shutdown, limit: socket.limit,
                waiting: Array(clients[first..<(first + Int(socket.waiting))]))
        }
        return UnixSocketList(entries: entries)
    }
}
