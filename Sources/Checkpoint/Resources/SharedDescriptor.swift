import Kernel

/// A descriptor that several values refer to, or that stands in a table, which can hold no owner itself; closed with the last reference.
final class SharedDescriptor: Sendable {
    let descriptor: OwnedFD

    init(_ descriptor: consuming OwnedFD) { self.descriptor = descriptor }
}
