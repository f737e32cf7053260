import Glibc
import Kernel

/// What a process is to send by sendmsg(2).
struct RemoteMessage {
    let content: [UInt8]
    /// A sockaddr; empty when the socket is connected.
    let address: [UInt8]
    /// The process's own.
    let descriptors: [UInt64]

    /// Places it with its struct msghdr, whose address is returned.
    func place(in calls: inout CallBatch) throws(KernelError) -> UInt64 {
        let control = control
        let (headerSize, vectorSize) = (56, 16)
        let contentOffset = headerSize + vectorSize + control.count
        return try calls.place(contentOffset + content.count + address.count) { place in
            let vector = place + UInt64(headerSize)
            let (controlPlace, contentPlace) = (vector + UInt64(vectorSize), place + UInt64(contentOffset))
            let header = [
                address.isEmpty ? 0 : contentPlace + UInt64(content.count), UInt64(address.count), vector, 1,
                control.isEmpty ? 0 : controlPlace, UInt64(control.count), 0,
            ]
            return (header + [contentPlace, UInt64(content.count)]).flatMap(plainBytes) + control + content + address
        }
    }

    /// struct cmsghdr with the descriptors (cmsg(3)), padded to whole words.
    private var control: [UInt8] {
        if descriptors.isEmpty { return [] }
        let numbers = descriptors.flatMap { plainBytes(of: Int32($0)) }
        let header =
            plainBytes(of: UInt64(16 + numbers.count)) + plainBytes(of: SOL_SOCKET) + plainBytes(of: Int32(SCM_RIGHTS))
        return header + numbers + [UInt8](repeating: 0, count: numbers.count % 8)
    }
}
