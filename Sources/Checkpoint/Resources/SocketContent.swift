import Glibc
import Kernel

/// What lies in sockets, read without taking it out.
enum SocketContent {
    private static let peekOffset: Int32 = 42  // SO_PEEK_OFF
    /// Of one message or one reading.
    private static let readingSize = 1 << 20
    /// What one call in a process can send, with the sender's name to it.
    static let remoteLimit = 32 << 10

    /// All that lies in a unix socket or one for datagrams.
    ///
    /// - Parameters:
    ///   - canEnd: whether nothing more can come, so that an empty reading is the end rather than an empty message.
    static func read(
        _ socket: borrowing OwnedFD, hasMessages: Bool, canEnd: Bool, _ context: CaptureContext
    ) throws(ResourceError) -> [SocketMessageImage] {
        let (before, isEmpty) = try kernel { () throws(KernelError) in
            (try socket.integerOption(SOL_SOCKET, peekOffset) ?? -1, try socket.pollNow() & Int32(POLLIN) == 0)
        }
        if isEmpty { return [] }
        try kernel { () throws(KernelError) in try socket.setIntegerOption(SOL_SOCKET, peekOffset, to: 0) }
        let messages: [SocketMessageImage]
        do throws(ResourceError) {
            messages = try readAll(socket, hasMessages, canEnd, context)
        } catch {
            // What failed here is why the capture fails.
            try? socket.setIntegerOption(SOL_SOCKET, peekOffset, to: before)
            throw error
        }
        try kernel { () throws(KernelError) in try socket.setIntegerOption(SOL_SOCKET, peekOffset, to: before) }
        return messages
    }

    private static func readAll(
        _ socket: borrowing OwnedFD, _ hasMessages: Bool, _ canEnd: Bool, _ context: CaptureContext
    ) throws(ResourceError) -> [SocketMessageImage] {
        var messages: [SocketMessageImage] = []
        while true {
            let next = try kernel { () throws(KernelError) in try socket.peek(upTo: readingSize) }
            guard let next else { return messages }
            if next.bytes.isEmpty && (!hasMessages || canEnd) { return messages }
            if hasMessages && next.isCut { throw .unsupported("a message of more than 1 MiB lies in it") }
            let process = next.credentials.flatMap { context.insidePid(of: $0.pid) }
            if (process != nil || next.hasDescriptors) && hasMessages && next.bytes.count > remoteLimit {
                throw .unsupported("a message of more than 32 KiB that names its sender or has descriptors lies in it")
            }
            var descriptors: [Int] = []
            while let descriptor = next.takeNextDescriptor() {
                descriptors.append(try context.description(underWay: descriptor))
            }
            messages.append(
                SocketMessageImage(
                    content: Blob(next.bytes), sender: Blob(next.sender), process: process, descriptors: descriptors))
        }
    }
}
