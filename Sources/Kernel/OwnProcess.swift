import CKernel
import Glibc

/// What this process uses.
public enum OwnProcess {
    public static func usage() throws(KernelError) -> (memoryBytes: Int, openFiles: Int) {
        // The second field is resident pages (proc_pid_statm(5)).
        let fields = try ProcFS.read("/proc/self/statm").split(separator: " ")
        let pages = fields.count > 1 ? Int(fields[1]) ?? 0 : 0
        let descriptors = try OwnedFD.open("/proc/self/fd", .directory)
        // The one that is open for the listing itself does not count.
        return (pages * Int(sysconf(Int32(_SC_PAGESIZE))), try ProcFS.processes(in: descriptors.rawValue).count - 1)
    }
}

/// Signals as people write them.
public enum SignalNames {
    public static let kill = SIGKILL

    /// As `SIGKILL`; `SIGRTMIN+3` and the like for the real-time ones.
    public static func name(of number: Int32) -> String {
        // unsafe: sigabbrev_np returns a string of static storage or nil (glibc, strsignal(3)).
        if let short = unsafe ck_sigabbrev(number) { return unsafe "SIG" + String(cString: short) }
        return number >= 34 ? "SIGRTMIN+\(number - 34)" : "SIG\(number)"
    }

    /// The number of a signal by its name; nil for one that there is not, and for real-time ones.
    public static func number(of name: String) -> Int32? { (1...31).first { self.name(of: $0) == name } }
}
