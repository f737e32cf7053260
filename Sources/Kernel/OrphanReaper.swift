import CKernel
import Glibc
import Synchronization

/// What PID 1 of a pid namespace owes to processes whose parents have died: to reap them.
public enum OrphanReaper {
    /// Children that somebody waits for by name; reaping one of them here would take its status away.
    private static let awaited = Mutex<Set<Int32>>([])

    /// Makes a child that its maker will reap.
    static func makingAwaitedChild(_ make: () throws(KernelError) -> Int32) throws(KernelError) -> Int32 {
        try awaited.withLock { awaited throws(KernelError) in
            let pid = try make()
            awaited.insert(pid)
            return pid
        }
    }

    /// The maker of a child has reaped it.
    static func hasReaped(_ pid: Int32) {
        awaited.withLock { _ = $0.remove(pid) }
        // It may have stood before orphans in the line.
        reapAll()
    }

    /// Reaps every orphan that has ended. Only PID 1 is given any: in other processes, as in one of tests, children are somebody's.
    public static func reapAll() {
        if getpid() != 1 { return }
        awaited.withLock { awaited in
            while true {
                let pid = ck_ended_child()
                if pid <= 0 || awaited.contains(pid) || ck_reap_child(pid) <= 0 { return }
            }
        }
    }
}
