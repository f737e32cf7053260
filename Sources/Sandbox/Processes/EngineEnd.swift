import Kernel

/// The engine's end of a pipe or a terminal, for a table that can hold no bare descriptor. Closed with its last reference.
final class EngineEnd: Sendable {
    let descriptor: OwnedFD

    init(_ descriptor: consuming OwnedFD) throws(KernelError) {
        try descriptor.setNonblocking()
        self.descriptor = descriptor
    }
}
