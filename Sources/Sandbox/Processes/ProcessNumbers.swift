import Kernel

/// A sandbox's processes by their numbers inside and in the engine's own pid namespace.
enum ProcessNumbers {
    /// The numbers that the engine sees, by those inside, of all descendants of a sandbox's PID 1.
    ///
    /// A process that gets another parent meanwhile may be missing.
    static func inside(_ initPid: Int32) throws(KernelError) -> [Int32: Int32] {
        var numbers: [Int32: Int32] = [:]
        var unvisited = [initPid]
        while let pid = unvisited.popLast() {
            do throws(KernelError) {
                unvisited += try children(of: pid)
                if let inside = try numberInside(of: pid) { numbers[inside] = pid }
            } catch let error where error.errno == .noSuchFile || error.errno == .noSuchProcess {
                continue
            }
        }
        return numbers
    }

    /// Nil when there is no such process any more.
    static func stat(ofOutside pid: Int32) throws(KernelError) -> ProcessStat? {
        let folder = try OwnedFD.open(FilePath(verbatim: "/proc/\(pid)"), [.directory])
        return try ProcessStat(in: folder.rawValue)
    }

    private static func children(of pid: Int32) throws(KernelError) -> [Int32] {
        let tasks = try OwnedFD.open(FilePath(verbatim: "/proc/\(pid)/task"), [.directory])
        var children: [Int32] = []
        for task in try ProcFS.processes(in: tasks.rawValue) {
            do throws(KernelError) {
                let text = try ProcFS.read("\(task)/children", in: tasks.rawValue)
                children += text.split(separator: " ").compactMap { Int32($0) }
            } catch let error where error.errno == .noSuchFile || error.errno == .noSuchProcess {
                continue
            }
        }
        return children
    }

    /// The last number of the line `NSpid:` is that of the innermost namespace (proc_pid_status(5)).
    private static func numberInside(of pid: Int32) throws(KernelError) -> Int32? {
        let status = try ProcFS.read("/proc/\(pid)/status")
        let line = status.split(separator: "\n").first { $0.hasPrefix("NSpid:") }
        return line?.split(whereSeparator: \.isWhitespace).last.flatMap { Int32($0) }
    }
}
