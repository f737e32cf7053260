import CKernel

/// RLIMIT_FSIZE of other processes: how large a file may become by their writing.
///
/// Only the soft value is touched: a lowered hard one could not be raised again without privileges over the machine
/// (kernel/sys.c, do_prlimit).
public enum FileSizeLimit {
    private static let resource: Int32 = 1  // RLIMIT_FSIZE

    /// Keeps a process from writing to files: it gets SIGXFSZ, or EFBIG where it ignores that.
    ///
    /// - Returns: whether it could write before; false when there is no such process.
    public static func forbidWriting(_ pid: Int32) throws(KernelError) -> Bool {
        try change(pid) { soft, _ in soft == 0 ? nil : 0 }
    }

    /// Lets it write again, up to a size of each file; nil for any.
    public static func allowWriting(_ pid: Int32, upTo bytes: UInt64?) throws(KernelError) {
        _ = try change(pid) { soft, hard in soft == 0 ? min(bytes ?? hard, hard) : nil }
    }

    /// Sets how large a file may become, for a process and those that it starts from here on.
    public static func set(_ bytes: UInt64, for pid: Int32) throws(KernelError) {
        _ = try change(pid) { _, hard in min(bytes, hard) }
    }

    private static func change(
        _ pid: Int32, _ choose: (_ soft: UInt64, _ hard: UInt64) -> UInt64?
    ) throws(KernelError) -> Bool {
        var (soft, hard): (UInt64, UInt64) = (0, 0)
        do throws(KernelError) {
            // unsafe: the shim fills both numbers.
            try check("prlimit", "\(pid)") { unsafe ck_get_limit(pid, resource, &soft, &hard) }
            guard let chosen = choose(soft, hard) else { return false }
            try check("prlimit", "\(pid)") { ck_set_limit(pid, resource, chosen, hard) }
            return true
        } catch let error where error.errno == .noSuchProcess {
            return false
        }
    }
}
