import CKernel

/// RLIMIT_LOCKS, which every descendant inherits and which the kernel has not looked at since 2.4 (getrlimit(2)): a mark on processes.
public enum LockLimit {
    private static let resource: Int32 = 10

    /// The soft limit of a process.
    public static func read(of pid: Int32) throws(KernelError) -> UInt64 {
        var (soft, hard): (UInt64, UInt64) = (0, 0)
        // unsafe: the kernel fills both.
        try check("prlimit", "\(pid)") { unsafe ck_get_limit(pid, resource, &soft, &hard) }
        return soft
    }

    /// Sets both limits, which can be no higher than before.
    public static func set(_ value: UInt64, of pid: Int32) throws(KernelError) {
        try check("prlimit", "\(pid)") { ck_set_limit(pid, resource, value, value) }
    }
}
