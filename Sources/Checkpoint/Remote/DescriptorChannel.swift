import Kernel
import Synchronization

/// The way of descriptors from the engine into held processes: a socket whose other end they have inherited from a template.
final class DescriptorChannel: Sendable {
    /// Descriptors of one message.
    private static let perMessage = 64

    private let socket: DescriptorSocket
    /// Held from a message's way in to its way out: several processes receive from the same end.
    private let turn = Mutex(())
    /// Its number in the template.
    static let templateNumber: UInt64 = 3

    init(_ socket: consuming DescriptorSocket) { self.socket = socket }

    /// Gives a process copies of the engine's descriptors, close-on-exec.
    ///
    /// - Parameters:
    ///   - batch: of calls in the process, which are made before.
    ///   - number: of the socket's end in the process.
    /// - Returns: their numbers there, the lowest that were free, in order.
    func pass(
        _ descriptors: [Int32], in batch: inout CallBatch, through number: UInt64
    ) throws(KernelError) -> [Int32] {
        var numbers: [Int32] = []
        var rest = descriptors[...]
        while !rest.isEmpty {
            let part = Array(rest.prefix(Self.perMessage))
            rest = rest.dropFirst(part.count)
            numbers += try turn.withLock { _ throws(KernelError) in
                try socket.send([0], descriptors: part)
                return try receive(part.count, in: &batch, number)
            }
        }
        return numbers
    }

    private func receive(
        _ count: Int, in batch: inout CallBatch, _ number: UInt64
    ) throws(KernelError) -> [Int32] {
        let closeOnExec: UInt64 = 0x4000_0000  // MSG_CMSG_CLOEXEC
        let (headerSize, messageSize, vectorSize) = (16, 56, 16)
        let controlSize = headerSize + (count * 4 + 7) & ~7
        // struct msghdr with one vector of one byte, and room for the control message behind it (recvmsg(2), cmsg(3)).
        let controlOffset = UInt64(messageSize + vectorSize + 8)
        let message = try batch.place(Int(controlOffset) + controlSize) { address in
            let (vector, byte) = (address + UInt64(messageSize), address + UInt64(messageSize + vectorSize))
            let control = address + controlOffset
            return [0, 0, vector, 1, control, UInt64(controlSize), 0, byte, 1, 0].flatMap(plainBytes)
                + [UInt8](repeating: 0, count: controlSize)
        }
        try batch.add(.recvmsg, [number, message, closeOnExec])
        try batch.finish()
        let bytes = try batch.read(headerSize + count * 4, at: message + controlOffset)
        return (0..<count).map { index in
            // unsafe: the array holds the header and `count` numbers.
            unsafe bytes.withUnsafeBytes {
                unsafe $0.loadUnaligned(fromByteOffset: headerSize + index * 4, as: Int32.self)
            }
        }
    }
}
