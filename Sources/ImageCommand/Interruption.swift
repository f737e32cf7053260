import Glibc
import Kernel
import Synchronization

/// Whether a person, or whoever started the command, wants it to end.
final class Interruption: Sendable {
    private let signals: SignalDescriptor
    private let signal = Mutex<Int32?>(nil)

    init(_ signals: consuming SignalDescriptor) { self.signals = signals }

    /// Asked now and then by whatever takes long.
    var hasCome: Bool {
        signal.withLock { signal in
            while let next = signals.next() {
                if next == SIGCHLD { OrphanReaper.reapAll() } else { signal = next }
            }
            return signal != nil
        }
    }

    /// As a shell tells of a program that a signal ended; nil when none came.
    var exitCode: Int32? { signal.withLock { $0.map { 128 + $0 } } }
}
