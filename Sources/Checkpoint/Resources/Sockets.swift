import Kernel

/// A socket. One file for each family restores it.
struct SocketImage: Codable, Sendable {
}

enum Sockets {
    static func capture(_ view: DescriptorView, _ context: CaptureContext) throws(ResourceError) -> SocketImage {
        throw .unsupported("it has a socket open (descriptor \(view.number))")
    }
}
