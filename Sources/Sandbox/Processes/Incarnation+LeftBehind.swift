import Kernel

/// Processes that commands have left behind: background jobs, daemons, and children of processes that have exited.
///
/// They get an id at the first look that finds them. The end of one whose parents are gone is told by isorun-init, which reaps
/// it; of others a pidfd tells.
extension Incarnation {
    /// How long isorun-init may take to tell of an end that was noticed in another way.
    private static let reapingPatience = Duration.milliseconds(200)

    /// Looks at what runs: lists what was left behind, and notes the ends of what was and is gone.
    func lookForLeftBehind() throws(KernelError) {
        try looking.withLock { _ throws(KernelError) in
            // Before and behind the list, for those that begin or end meanwhile.
            var own = ownMarks
            let members = try processes.members()
            own.formUnion(ownMarks)

            var known: [Int32: ManagedProcess] = [:]
            for process in processTable.all where process.mark == nil && process.isRunning {
                known[process.pid] = process
            }
            var found: [ManagedProcess] = []
            for member in members {
                if let process = known[member.pid], process.origin == .leftBehind(startTicks: member.stat.startTicks) {
                    if member.stat.isZombie { continue }
                    process.runs(member.program)
                    known[member.pid] = nil
                } else if !member.stat.isZombie, !(member.mark.map(own.contains) ?? false),
                    let process = try list(member)
                {
                    found.append(process)
                }
            }
            for process in known.values { leftBehindEnded(process, nil) }
            if !found.isEmpty { try watch(found) }
        }
    }

    private var ownMarks: Set<ExecMark> {
        processTable.ownMarks.union(executions.withLock { Array($0.keys) })
    }

    /// Lists a process, unless it has ended since it was seen, as that of a command that just began and ended has.
    private func list(_ member: ProcessTree.Member) throws(KernelError) -> ManagedProcess? {
        guard let now = try processes.stat(of: member.pid), now.startTicks == member.stat.startTicks, !now.isZombie
        else {
            return nil
        }
        let process = ManagedProcess(
            number: processTable.takeNumber(), pid: member.pid, name: nil,
            program: member.program, startedAt: member.stat.startedAt,
            origin: .leftBehind(startTicks: member.stat.startTicks), output: nil,
            input: nil, terminal: nil)
        processTable.add(process)
        return process
    }

    /// Watches for the ends of processes that were left behind.
    func watch(_ found: [ManagedProcess]) throws(KernelError) {
        var outside = try ProcessNumbers.inside(namespaces.process.pid)
        for process in found {
            // One that is missing has ended, or moved to another parent while that was looked at: the next look will tell.
            guard let pid = outside.removeValue(forKey: process.pid) else { continue }
            do throws(KernelError) {
                let pidfd = try PidFD(opening: pid)
                // The number was that of the process behind the opening: so it was before.
                guard let stat = try ProcessNumbers.stat(ofOutside: pid),
                    process.origin == .leftBehind(startTicks: stat.startTicks)
                else { continue }
                let watch = try EndWatch(pidfd, loop: loop) { [weak self, weak process] status in
                    guard let self, let process else { return }
                    leftBehindEnded(process, status)
                }
                processTable.watch(process, by: watch)
            } catch let error where error.errno == .noSuchProcess || error.errno == .noSuchFile {
                continue
            }
        }
    }

    /// A process that was left behind has ended.
    ///
    /// - Parameter status: where it is known already.
    private func leftBehindEnded(_ process: ManagedProcess, _ status: ExitStatus?) {
        if let status = status ?? statusOfZombie(process) { return processTable.exited(process, .status(status)) }
        // Where isorun-init has reaped it, that tells how it ended, in a moment.
        Task { [processTable] in
            try? await Task.sleep(for: Self.reapingPatience)
            processTable.exited(process, .unknown)
        }
    }

    /// How a process ended that nobody has reaped yet.
    private func statusOfZombie(_ process: ManagedProcess) -> ExitStatus? {
        // One that cannot be read is gone.
        guard let stat = try? processes.stat(of: process.pid),
            process.origin == .leftBehind(startTicks: stat.startTicks)
        else { return nil }
        return stat.exitStatus
    }

    /// isorun-init has reaped a process that it did not start itself.
    func orphanExited(_ pid: Int32, _ exit: InitChannel.Exit) {
        count(exit)
        let process = processTable.all.first { $0.pid == pid && $0.isRunning && $0.mark == nil }
        if let process { processTable.exited(process, .status(exit.status)) }
    }
}
