import CKernel
import Kernel

/// Processes that stand still: every thread is held by ptrace until the value goes away.
///
/// ptrace belongs to a thread: make, use and drop the value on one thread, of its own (`Thread.run`). When that thread ends,
/// the kernel lets everything run on that is still held (ptrace(2), "Death under ptrace").
public struct StoppedProcesses: ~Copyable {
    /// How long a thread may take to come to rest. One that sleeps uninterruptibly for longer, as the parent of a vfork
    /// does, is passed over: it does nothing as long as it sleeps.
    private static let patience = Duration.milliseconds(500)

    private var threads: Set<Int32> = []

    /// Stops all descendants of a process, but not the process itself.
    ///
    /// Takes turns until no new thread has appeared: a stopped process makes none.
    ///
    /// - Throws: when a thread cannot be traced or does not come to rest; then all run on.
    public init(descendantsOf root: Int32) throws(KernelError) {
        // Zombies stay as long as their parents stand still.
        var ended: Set<Int32> = []
        var isComplete = false
        while !isComplete {
            isComplete = true
            for process in try ProcessLineage.descendants(of: root) {
                for thread in try ProcessLineage.threads(of: process)
                where !threads.contains(thread) && !ended.contains(thread) {
                    isComplete = false
                    if try stop(thread) { threads.insert(thread) } else { ended.insert(thread) }
                }
            }
        }
    }

    deinit {
        // A thread that was killed meanwhile, or sleeps uninterruptibly, cannot be detached; the tracer's end frees it.
        for thread in threads { _ = ck_ptrace_detach(thread, 0) }
    }

    /// - Returns: whether there still is such a thread.
    private func stop(_ thread: Int32) throws(KernelError) -> Bool {
        do throws(KernelError) {
            try check("ptrace(SEIZE)", "\(thread)") { ck_ptrace_seize(thread) }
            try check("ptrace(INTERRUPT)", "\(thread)") { ck_ptrace_interrupt(thread) }
        } catch let error where error.errno == .noSuchProcess {
            return false
        } catch let error where error.errno == .notPermitted {
            // What is ending cannot be seized any more (kernel/ptrace.c, ptrace_attach).
            if try ProcessLineage.hasEnded(thread) { return false }
            throw error
        }
        let deadline = ContinuousClock.now + Self.patience
        while true {
            var status: Int32 = 0
            let result = unsafe ck_ptrace_poll_stop(thread, &status)
            if result == thread { return status & 0xff == 0x7f }
            if result < 0 { return false }
            if ContinuousClock.now > deadline {
                if try ProcessLineage.state(of: thread) == "D" { return true }
                throw KernelError("ptrace(INTERRUPT)", "\(thread) does not come to rest", errno: .busy)
            }
            ck_short_sleep()
        }
    }
}

/// Family relations, from /proc.
enum ProcessLineage {
    /// All descendants that there are at some moment; complete once none of them runs.
    static func descendants(of root: Int32) throws(KernelError) -> [Int32] {
        var found: [Int32] = []
        var unvisited = [root]
        while let process = unvisited.popLast() {
            for thread in try threads(of: process) {
                let children = try textIfPresent("/proc/\(process)/task/\(thread)/children")
                unvisited += children.split(separator: " ").compactMap { Int32($0) }
            }
            if process != root { found.append(process) }
        }
        return found
    }

    /// None for a process that has ended.
    static func threads(of process: Int32) throws(KernelError) -> [Int32] {
        do throws(KernelError) {
            let folder = try OwnedFD.open(FilePath(verbatim: "/proc/\(process)/task"), .directory)
            return try ProcFS.processes(in: folder.rawValue)
        } catch let error where error.errno == .noSuchFile || error.errno == .noSuchProcess {
            return []
        }
    }

    /// Whether the thread is a zombie, or gone.
    static func hasEnded(_ thread: Int32) throws(KernelError) -> Bool {
        guard let state = try state(of: thread) else { return true }
        return state == "Z" || state == "X"
    }

    /// The letter of its state (proc_pid_stat(5)); nil when it is gone.
    static func state(of thread: Int32) throws(KernelError) -> Character? {
        let stat = try textIfPresent("/proc/\(thread)/stat")
        return stat.lastIndex(of: ")").flatMap { stat[$0...].dropFirst(2).first }
    }

    /// Empty for a process that has ended.
    private static func textIfPresent(_ path: String) throws(KernelError) -> String {
        do throws(KernelError) {
            return try ProcFS.read(path)
        } catch let error where error.errno == .noSuchFile || error.errno == .noSuchProcess {
            return ""
        }
    }
}
