import CKernel
import Synchronization

/// Notices when the wall clock is set: times of files from before and after that cannot be compared.
public final class ClockChanges: Sendable {
    private let clock: OwnedFD
    private let noticed = Mutex<UInt64>(0)

    public init() throws(KernelError) {
        clock = OwnedFD(takingOver: try check("timerfd_create") { ck_clockfd() })
    }

    /// How often the clock was set so far; of several times between two calls it may count only one.
    public func count() throws(KernelError) -> UInt64 {
        try noticed.withLock { (noticed) throws(KernelError) in
            do throws(KernelError) {
                try check("read", "timerfd") { ck_clockfd_read(clock.rawValue) }
            } catch {
                switch error.errno {
                case .cancelled: noticed += 1
                case .again: break
                default: throw error
                }
            }
            return noticed
        }
    }
}
