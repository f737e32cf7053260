import Kernel

extension ProcessTree {
    /// A process of the sandbox, as people know it.
    struct Member {
        let pid: Int32
        /// Its command line; empty for one that has ended.
        let arguments: [String]
        /// What the kernel calls it.
        let name: String
        let stat: ProcessStat
        /// Whose it is.
        let mark: ExecMark?

        /// Its command line, or its name in brackets when it has none.
        var command: String { arguments.isEmpty ? "[\(name)]" : arguments.joined(separator: " ") }

        var program: SandboxCommand.Program { .arguments(arguments.isEmpty ? [command] : arguments) }

        func carries(_ mark: ExecMark) -> Bool { self.mark == mark }
    }

    /// Every process of its own, without isorun-init.
    func members() throws(KernelError) -> [Member] {
        var members: [Member] = []
        for pid in try pids() where pid != 1 {
            do throws(KernelError) {
                if let member = try member(pid), !member.carries(.ofCopies) { members.append(member) }
            } catch let error where error.errno == .noSuchFile || error.errno == .noSuchProcess {
                continue
            }
        }
        return members
    }

    private func member(_ pid: Int32) throws(KernelError) -> Member? {
        guard let stat = try ProcessStat(in: proc.rawValue, of: pid) else { return nil }
        let line = try ProcFS.read("\(pid)/cmdline", in: proc.rawValue)
        return Member(
            pid: pid,
            arguments: line.isEmpty
                ? []
                : line.split(separator: "\0", omittingEmptySubsequences: false)
                    .dropLast(line.last == "\0" ? 1 : 0).map(String.init),
            name: try ProcFS.read("\(pid)/comm", in: proc.rawValue).filter { $0 != "\n" }, stat: stat,
            mark: ExecMark(inLimits: try ProcFS.read("\(pid)/limits", in: proc.rawValue)))
    }
}
