import CKernel
import Glibc
import Kernel

/// Makes all sockets of an image, before processes get their descriptors. Belongs to the tracing thread, which is in the sandbox's
/// network namespace.
///
/// Connections are made as programs make them, so that the kernel itself settles everything that belongs to one; then each
/// end sends what the other one had not read.
final class SocketRestore {
    private let context: RestoreContext
    private let processes: [RestoringProcess]
    /// By places in `TreeImage.descriptions`.
    let images: [Int: SocketImage]
    private var made: [Int: SharedDescriptor] = [:]
    /// Other ends of connections whose own ones are gone; they are closed at the end.
    private var partners: [Int: SharedDescriptor] = [:]

    init(_ context: RestoreContext, _ processes: [RestoringProcess]) {
        self.context = context
        self.processes = processes
        var images: [Int: SocketImage] = [:]
        var rest = processes.flatMap { $0.image.descriptors.map(\.description) }
        while let index = rest.popLast() {
            guard images[index] == nil, case .socket(let image) = context.tree.descriptions[index].kind else {
                continue
            }
            images[index] = image
            rest += image.received.flatMap(\.descriptors)
        }
        self.images = images
    }

    func makeAll() throws(KernelError) {
        if images.isEmpty { return }
        try UnixSocketRestore(self, root: context.root).makeAll()
        try InternetSocketRestore(self).makeAll()
        for (index, image) in sorted where image.domain == AF_NETLINK {
            let socket = try open(image)
            if image.isBound { try socket.descriptor.bind(to: image.name.bytes) }
            enter(socket, index)
        }
        for (index, image) in sorted { try fill(index, image) }
        for (index, image) in sorted { try end(index, image) }
        for (index, image) in sorted { try finish(index, image) }
    }

    // MARK: Tables

    var sorted: [(Int, SocketImage)] { images.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } }

    func socket(_ index: Int) throws(KernelError) -> SharedDescriptor {
        guard let socket = made[index] else {
            throw KernelError("socket", "the other end, number \(index), is not there", errno: .invalid)
        }
        return socket
    }

    func isMade(_ index: Int) -> Bool { made[index] != nil }

    func enter(_ socket: SharedDescriptor, _ index: Int) { made[index] = socket }

    func enter(partner socket: SharedDescriptor, of index: Int) { partners[index] = socket }

    /// A socket with its options, but nothing else.
    func open(_ image: SocketImage, leavingOut: Set<Int32> = []) throws(KernelError) -> SharedDescriptor {
        let socket = SharedDescriptor(
            try OwnedFD.socket(domain: image.domain, type: image.type, protocolNumber: image.protocolNumber))
        try SocketOptions.apply(image.options, to: socket.descriptor, leavingOut: leavingOut)
        return socket
    }

    // MARK: Calls in processes

    /// The process with a number, or another one where that does not run.
    func process(_ pid: Int32?) -> RestoringProcess { processes.first { $0.image.pid == pid } ?? processes[0] }

    /// Lends a process a socket for calls; what they depend on is who makes them, and where.
    func lend(
        _ socket: SharedDescriptor, to process: RestoringProcess, _ body: (UInt64) throws(KernelError) -> Void
    ) throws(KernelError) {
        let number = try process.take([socket.descriptor.rawValue])[0]
        try body(number)
        try process.call(.close, [number])
    }

    /// Makes calls in the name of the user that the other end of a connection is told of.
    func act(
        as peer: SocketPeerImage?, _ body: (RestoringProcess) throws(KernelError) -> Void
    ) throws(KernelError) {
        let process = process(peer?.pid)
        let (user, group) = (peer?.user ?? 0, peer?.group ?? 0)
        let keepCapabilities: UInt64 = 4  // SECBIT_NO_SETUID_FIXUP
        let same = UInt64(UInt32.max)
        if user == 0 && group == 0 { return try body(process) }
        try process.call(.prctl, [Control.setSecureBits, keepCapabilities])
        try process.call(.setresgid, [same, UInt64(group), same])
        try process.call(.setresuid, [same, UInt64(user), same])
        try body(process)
        try process.call(.setresuid, [same, 0, same])
        try process.call(.setresgid, [same, 0, same])
        try process.call(.prctl, [Control.setSecureBits, 0])
    }

    // MARK: Content

    private func fill(_ index: Int, _ image: SocketImage) throws(KernelError) {
        for message in image.received {
            if image.isUDP {
                try InternetSocketRestore(self).send(message, to: image)
            } else if image.isUnix && image.type == SocketType.datagram {
                try UnixSocketRestore(self, root: context.root).send(message, to: index, image)
            } else {
                let sender: SharedDescriptor
                if case .pair(let peer) = image.relation {
                    sender = try socket(peer)
                } else {
                    guard let partner = partners[index] else { continue }
                    sender = partner
                }
                try send(message, through: sender)
            }
        }
    }

    /// Sends a message in the name of the process that it tells of.
    func send(_ message: SocketMessageImage, through sender: SharedDescriptor, to address: [UInt8] = [])
        throws(KernelError)
    {
        let names = processes.contains { $0.image.pid == message.process }
        if !names && message.descriptors.isEmpty {
            return try sendAll(message.content.bytes, through: sender, to: address)
        }
        let process = process(message.process)
        try lend(sender, to: process) { number throws(KernelError) in
            var descriptors = try process.take(try message.descriptors.map(descriptor))
            var rest = message.content.bytes[...]
            repeat {
                let part = Array(rest.prefix(SocketContent.remoteLimit))
                var calls = process.calls
                let withoutWaiting: UInt64 = 0x4040  // MSG_DONTWAIT, MSG_NOSIGNAL
                let header = try RemoteMessage(content: part, address: address, descriptors: descriptors).place(
                    in: &calls)
                try calls.add(.sendmsg, [number, header, withoutWaiting])
                rest = rest.dropFirst(Int(try calls.finish()[0]))
                // They go with the first part.
                for descriptor in descriptors { try calls.add(.close, [descriptor]) }
                try calls.finish()
                descriptors = []
            } while !rest.isEmpty
        }
    }

    /// The engine's descriptor of a description that is sent.
    private func descriptor(_ index: Int) throws(KernelError) -> Int32 {
        if let socket = made[index] { return socket.descriptor.rawValue }
        return try context.descriptor(of: index)
    }

    private func sendAll(_ bytes: [UInt8], through sender: SharedDescriptor, to address: [UInt8]) throws(KernelError) {
        let patience: Int32 = 2000
        var rest = bytes[...]
        repeat {
            guard let count = try sender.descriptor.send(rest, to: address) else {
                // The receiving side makes room by itself, as far as there is some.
                if try sender.descriptor.waitUntilWritable(milliseconds: patience) { continue }
                throw KernelError("sendto", "\(rest.count) bytes that lay in a socket", errno: .noSpace)
            }
            rest = rest.dropFirst(count)
        } while !rest.isEmpty
    }

    // MARK: The end

    /// Shuts down what was shut down, and closes what was closed.
    private func end(_ index: Int, _ image: SocketImage) throws(KernelError) {
        if image.isTCP && image.relation == .reset, let partner = partners[index] {
            // Closed at once, not in order (socket(7), SO_LINGER).
            try partner.descriptor.setSocketOption(SOL_SOCKET, SO_LINGER, to: [1, 0, 0, 0, 0, 0, 0, 0])
        }
        partners[index] = nil
        if image.isTCP {
            // The end of what it receives comes from the other end; one that is reset has none.
            if image.relation != .reset { try socket(index).descriptor.shutDown(image.shutdown & 2) }
        } else if image.isUnix && image.backlog == nil {
            try socket(index).descriptor.shutDown(image.shutdown)
        }
    }

    private func finish(_ index: Int, _ image: SocketImage) throws(KernelError) {
        let socket = try socket(index)
        try SocketOptions.apply(image.options, to: socket.descriptor)
        try check("fchown", "a socket") { fchown(socket.descriptor.rawValue, image.owner, image.group) }
        let settable: Int32 = 0o4000 | 0o20000  // non-blocking, signal-driven
        try socket.descriptor.setStatusFlags(context.tree.descriptions[index].flags & settable)
        context.descriptions[index] = SharedDescriptor(try socket.descriptor.duplicate())
    }
}

enum SocketType {
    static let stream: Int32 = 1
    static let datagram: Int32 = 2
}
