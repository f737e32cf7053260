import Kernel

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
    static func textIfPresent(_ path: String) throws(KernelError) -> String {
        do throws(KernelError) {
            return try ProcFS.read(path)
        } catch let error where error.errno == .noSuchFile || error.errno == .noSuchProcess {
            return ""
        }
    }
}
