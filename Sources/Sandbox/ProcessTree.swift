import Glibc
import Kernel

/// The processes of one sandbox, seen through its own /proc.
struct ProcessTree: ~Copyable {
    private let proc: OwnedFD

    /// Opens the /proc of the sandbox whose PID 1 is given in the engine's numbering.
    init(ofInit pid: Int32) throws(KernelError) {
        proc = try OwnedFD.open(FilePath(verbatim: "/proc/\(pid)/root/proc"), [.directory])
    }

    /// The sandbox's processes, by their numbers inside; 1 is isorun-init.
    func pids() throws(KernelError) -> [Int32] { try ProcFS.processes(in: proc.rawValue) }

    /// Kills every process that carries the mark, until none is left.
    ///
    /// A process with a pending SIGKILL forks no more (kernel/fork.c, copy_process), so each round leaves only children
    /// that were made since the round before; the rounds end.
    func kill(_ mark: ExecMark) throws(KernelError) {
        while true {
            var found = false
            for pid in try pids() {
                if try killIfMarked(pid, mark) { found = true }
            }
            if !found { return }
        }
    }

    /// - Returns: whether the process was alive and marked.
    private func killIfMarked(_ pid: Int32, _ mark: ExecMark) throws(KernelError) -> Bool {
        do throws(KernelError) {
            // The open folder names the process even if its number is given to another one meanwhile.
            let folder = try proc.open(FilePath(verbatim: "\(pid)"), [.directory])
            let limits = try ProcFS.read("limits", in: folder.rawValue)
            if !mark.appears(inLimits: limits) { return false }
            if try isZombie(folder) { return false }
            try ProcFS.signal(SIGKILL, toProcessOf: folder)
            return true
        } catch let error where error.errno == .noSuchFile || error.errno == .noSuchProcess {
            return false
        }
    }

    /// Sends a signal to a process, if it has the number and carries the mark. One that has ended is no error.
    func signal(_ number: Int32, to pid: Int32, carrying mark: ExecMark) throws(KernelError) {
        do throws(KernelError) {
            let folder = try proc.open(FilePath(verbatim: "\(pid)"), [.directory])
            if !mark.appears(inLimits: try ProcFS.read("limits", in: folder.rawValue)) { return }
            try ProcFS.signal(number, toProcessOf: folder)
        } catch let error where error.errno == .noSuchFile || error.errno == .noSuchProcess {
            return
        }
    }

    private func isZombie(_ folder: borrowing OwnedFD) throws(KernelError) -> Bool {
        let stat = try ProcFS.read("stat", in: folder.rawValue)
        guard let end = stat.lastIndex(of: ")") else { return false }
        return stat[end...].dropFirst(2).first == "Z"
    }

    /// A process of the sandbox, as people know it.
    struct Member {
        let pid: Int32
        /// Its command line, or its name in brackets when it has none.
        let command: String
        /// The limits text, by which it is told whose it is.
        fileprivate let limits: String

        func carries(_ mark: ExecMark) -> Bool { mark.appears(inLimits: limits) }
    }

    /// Every process but isorun-init.
    func members() throws(KernelError) -> [Member] {
        var members: [Member] = []
        for pid in try pids() where pid != 1 {
            do throws(KernelError) {
                let line = try ProcFS.read("\(pid)/cmdline", in: proc.rawValue)
                let words = line.split(separator: "\0").joined(separator: " ")
                let name = try ProcFS.read("\(pid)/comm", in: proc.rawValue).filter { $0 != "\n" }
                members.append(
                    Member(
                        pid: pid, command: words.isEmpty ? "[\(name)]" : words,
                        limits: try ProcFS.read("\(pid)/limits", in: proc.rawValue)))
            } catch let error where error.errno == .noSuchFile || error.errno == .noSuchProcess {
                continue
            }
        }
        return members
    }

    // MARK: Usage

    struct Usage {
        var cpuMicroseconds: UInt64 = 0
        var memoryBytes: UInt64 = 0
        var count = 0
    }

    /// What the living processes use, isorun-init left out.
    func usage() throws(KernelError) -> Usage {
        var usage = Usage()
        for pid in try pids() where pid != 1 {
            do throws(KernelError) {
                let stat = try ProcFS.read("\(pid)/stat", in: proc.rawValue)
                add(stat, to: &usage)
            } catch let error where error.errno == .noSuchFile || error.errno == .noSuchProcess {
                continue
            }
        }
        return usage
    }

    /// Adds the fields of a `/proc/PID/stat`: 14 to 17 are clock ticks, 24 is resident pages (proc_pid_stat(5)).
    private func add(_ stat: String, to usage: inout Usage) {
        guard let end = stat.lastIndex(of: ")") else { return }
        // The first field after the name is the third.
        let fields = stat[end...].dropFirst(2).split(separator: " ")
        guard fields.count > 21 else { return }
        let ticks = fields[11...14].compactMap { UInt64($0) }.reduce(0, +)
        usage.cpuMicroseconds += ticks * 1_000_000 / UInt64(sysconf(Int32(_SC_CLK_TCK)))
        usage.memoryBytes += (UInt64(fields[21]) ?? 0) * UInt64(sysconf(Int32(_SC_PAGESIZE)))
        usage.count += 1
    }
}
