import Kernel
import Synchronization

/// In which calls the threads of a sandbox waited when they were held last. Those with a time limit are continued by restart_syscall(2)
/// when a thread is let go; who holds it again finds nothing else, and only the kernel remembers what it continues.
public final class KnownWaits: Sendable {
    struct Wait: Sendable {
        let number: UInt64
        /// Where the call returns to, its stack and its arguments: as long as they are the same, so is the wait.
        let place: [UInt64]
    }

    private let waits = Mutex<[Int32: Wait]>([:])

    public init() {}

    /// By the threads' numbers, in the engine's numbering.
    var all: [Int32: Wait] { waits.withLock { $0 } }

    func replace(with present: [Int32: Wait]) { waits.withLock { $0 = present } }
}
