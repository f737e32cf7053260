import Glibc
import Kernel

/// The processes of one sandbox, seen through its own /proc.
struct ProcessTree: ~Copyable {
    let proc: OwnedFD

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
            if try ProcessStat(in: folder.rawValue)?.isZombie ?? true { return false }
            try ProcFS.signal(SIGKILL, toProcessOf: folder)
            return true
        } catch let error where error.errno == .noSuchFile || error.errno == .noSuchProcess {
            return false
        }
    }

    /// What /proc tells of a process; nil when there is none of that number.
    func stat(of pid: Int32) throws(KernelError) -> ProcessStat? {
        do throws(KernelError) {
            return try ProcessStat(in: proc.rawValue, of: pid)
        } catch let error where error.errno == .noSuchFile || error.errno == .noSuchProcess {
            return nil
        }
    }

    /// Sends a signal to a process, if it has the number and is the one that is meant. One that has ended is no error.
    func signal(
        _ number: Int32, to pid: Int32, _ isMeant: (borrowing OwnedFD) throws(KernelError) -> Bool
    ) throws(KernelError) {
        do throws(KernelError) {
            // The open folder names the process even if its number is given to another one meanwhile.
            let folder = try proc.open(FilePath(verbatim: "\(pid)"), [.directory])
            if try isMeant(folder) { try ProcFS.signal(number, toProcessOf: folder) }
        } catch let error where error.errno == .noSuchFile || error.errno == .noSuchProcess {
            return
        }
    }

    // MARK: Usage

    struct Usage {
        var cpuMicroseconds: UInt64 = 0
        /// Processes and threads.
        var count = 0
    }

    /// What the living processes use, isorun-init left out.
    func usage() throws(KernelError) -> Usage {
        var usage = Usage()
        for pid in try pids() where pid != 1 {
            do throws(KernelError) {
                guard let stat = try ProcessStat(in: proc.rawValue, of: pid) else { continue }
                usage.cpuMicroseconds += stat.cpuMicroseconds
                usage.count += stat.threads
            } catch let error where error.errno == .noSuchFile || error.errno == .noSuchProcess {
                continue
            }
        }
        return usage
    }

    /// Memory that the processes do not share with files; what they share with each other counts for each of them. Quick.
    func privateBytes() throws(KernelError) -> Int64 {
        try sum { pid throws(KernelError) in
            let pages = try ProcFS.read("\(pid)/statm", in: proc.rawValue).split(separator: " ").compactMap {
                Int64($0)
            }
            return pages.count > 2 ? (pages[1] - pages[2]) * Self.pageSize : 0
        }
    }

    /// What each process holds of memory that is no file's, divided by how many share it. Reads all page tables.
    func memoryShares() throws(KernelError) -> [(pid: Int32, bytes: Int64)] {
        var shares: [(pid: Int32, bytes: Int64)] = []
        _ = try sum { pid throws(KernelError) in
            let bytes = try MemoryRollup(in: proc.rawValue, of: pid).ownBytes
            shares.append((pid, bytes))
            return bytes
        }
        return shares
    }

    /// The sum of all shares.
    func heldBytes() throws(KernelError) -> UInt64 { UInt64(try memoryShares().reduce(0) { $0 + $1.bytes }) }

    private static let pageSize = Int64(sysconf(Int32(_SC_PAGESIZE)))

    /// Over all processes but isorun-init and those that end meanwhile.
    private func sum(_ body: (Int32) throws(KernelError) -> Int64) throws(KernelError) -> Int64 {
        var total: Int64 = 0
        for pid in try pids() where pid != 1 {
            do throws(KernelError) {
                total += try body(pid)
            } catch let error where error.errno == .noSuchFile || error.errno == .noSuchProcess {
                continue
            }
        }
        return total
    }
}
