import CKernel
import Glibc

/// A unix stream socket that carries descriptors beside bytes.
public struct DescriptorSocket: ~Copyable, Sendable {
    private let descriptor: OwnedFD

    public init(takingOver descriptor: consuming OwnedFD) { self.descriptor = descriptor }

    /// A connected pair, close-on-exec: this end, and the one for `peer` to use while the call lasts.
    public static func connected(
        to peer: (borrowing OwnedFD) throws(KernelError) -> Void
    ) throws(KernelError) -> DescriptorSocket {
        var ends: [Int32] = [-1, -1]
        // unsafe: socketpair fills the two elements.
        try check("socketpair") { unsafe ck_socketpair(&ends) }
        let own = DescriptorSocket(takingOver: OwnedFD(takingOver: ends[0]))
        let other = OwnedFD(takingOver: ends[1])
        try peer(other)
        return own
    }

    /// For registration with an event loop.
    public var rawDescriptor: Int32 { descriptor.rawValue }

    /// Sends all bytes, the descriptors with the first of them; blocks while the peer does not read.
    public func send(_ bytes: [UInt8], descriptors: [Int32] = []) throws(KernelError) {
        var sent = 0
        while sent < bytes.count {
            let passed = sent == 0 ? descriptors : []
            sent += try check("sendmsg") {
                // unsafe: both arrays' storage is valid inside the closure.
                unsafe bytes.withUnsafeBytes { buffer in
                    let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[sent...])
                    return unsafe ck_send_with_descriptors(
                        descriptor.rawValue, rest.baseAddress, rest.count, passed, Int32(passed.count))
                }
            }
        }
    }

    /// Reads what is there, at most `limit` bytes, without waiting. Nil when nothing is there, empty at the end.
    public func receive(upTo limit: Int) throws(KernelError) -> [UInt8]? {
        do throws(KernelError) {
            var failure: KernelError?
            // unsafe: recv fills at most `limit` bytes of the fresh array's storage.
            let bytes = unsafe [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
                do throws(KernelError) {
                    count = try check("recv") {
                        unsafe recv(descriptor.rawValue, buffer.baseAddress, limit, Int32(MSG_DONTWAIT))
                    }
                } catch {
                    failure = error
                }
            }
            if let failure { throw failure }
            return bytes
        } catch let error where error.errno == .again {
            return nil
        }
    }
}
