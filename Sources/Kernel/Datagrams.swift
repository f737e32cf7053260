import CKernel
import Glibc

extension OwnedFD {
    /// A message, and who has sent it, as a sockaddr.
    public struct Datagram: Sendable {
        public let bytes: [UInt8]
        public let sender: [UInt8]
    }

    /// Takes the next message that has come, at most `limit` bytes of it; nil when there is none. Does not wait.
    public func receiveDatagram(upTo limit: Int) throws(KernelError) -> Datagram? {
        guard let message = try peek(upTo: limit) else { return nil }
        // With no room, all of the message that was looked at is dropped (recv(2), datagram sockets).
        try check("recv", "\(rawValue)") { recv(rawValue, nil, 0, Int32(MSG_DONTWAIT)) }
        return Datagram(bytes: message.bytes, sender: message.sender)
    }
}
