import Glibc

/// The one owner of a file descriptor: closed exactly once, when the owner goes away.
public struct OwnedFD: ~Copyable, Sendable {
    /// The descriptor's number, for a system call made while the owner is alive. Never keep it.
    public let rawValue: Int32

    /// Takes over an open descriptor; nobody else may close it from here on.
    public init(takingOver descriptor: Int32) { rawValue = descriptor }

    deinit {
        // Not retried on EINTR: Linux has released the descriptor by then (close(2)).
        _ = close(rawValue)
    }

    /// Gives the descriptor up without closing it, to a callee that takes it over.
    public consuming func release() -> Int32 {
        let descriptor = rawValue
        discard self
        return descriptor
    }

    /// A second descriptor for the same open file, close-on-exec.
    public func duplicate() throws(KernelError) -> OwnedFD {
        OwnedFD(takingOver: try check("fcntl(F_DUPFD_CLOEXEC)") { fcntl(rawValue, F_DUPFD_CLOEXEC, 3) })
    }
}
