import Kernel

/// The engine's end of a pipe or a terminal, for a table that can hold no bare descriptor. Closed with its last reference.
final class EngineEnd: Sendable {
    let descriptor: OwnedFD

    init(_ descriptor: consuming OwnedFD) throws(KernelError) {
        try descriptor.setNonblocking()
        self.descriptor = descriptor
    }

    /// A pipe's number, the same at both of its ends.
    func inode() throws(KernelError) -> UInt64 { try descriptor.status().inode }
}
