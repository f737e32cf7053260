import CKernel
import Glibc
import Kernel

/// One restore, from the first process to the moment when all run. Belongs to the tracing thread, of its own.
struct TreeRestore {
    /// How long a process may take to stop on a busy machine.
    private static let patience = Duration.seconds(5)

    private let tree: TreeImage
    private let pages: [Int32: ProcessPages]
    private let target: RestoreTarget
    private let context: RestoreContext

    init(_ tree: TreeImage, _ pages: [Int32: ProcessPages], _ target: RestoreTarget) throws(KernelError) {
        self.tree = tree
        self.pages = pages
        self.target = target
        context = try RestoreContext(tree, initPid: target.initPid)
    }

    /// - Parameter beforeRunning: called when all is there and nothing runs yet; when it fails, so does the restore.
    /// - Returns: what tracks the writes of the processes, by their numbers inside.
    func perform(
        _ beforeRunning: (RestoredRuntime) throws(KernelError) -> Void
    ) throws(KernelError) -> [Int32: TrackedMemory] {
        let maker = ProcessMaker(context, templates: pages.mapValues(\.template), target: target)
        do throws(KernelError) {
            try maker.makeAll()
            try ThreadNamespaces.enterNetwork(of: try PidFD(opening: target.initPid))
            try SharedFolder.restore(tree.sharedFolder, in: context.root)
            try SystemVObjects.restore(tree.systemV)
            for process in maker.made { context.pids[process.image.pid] = process.remote.pid }
            let tracked = try complete(maker.made)
            try beforeRunning(RestoredRuntime(engineEnds: try context.takeEngineEnds(), pids: context.pids))
            try FaultPoint.restoreConnected.pass()
            release(maker.made)
            return tracked
        } catch {
            // Half of a process must not run for a moment.
            for process in maker.made.reversed() { process.leader.kill() }
            throw error
        }
    }

    private func complete(_ processes: [RestoringProcess]) throws(KernelError) -> [Int32: TrackedMemory] {
        for process in processes {
            guard let origin = process.origin, let own = pages[process.image.pid] else { continue }
            try MemoryRestore(process: process, template: own.template, discarded: own.discarded, context: context)
                .perform(from: origin)
        }
        try FaultPoint.restoreMemory.pass()
        let living = processes.filter { $0.image.zombieStatus == nil }
        try SocketRestore(context, living).makeAll()
        try FaultPoint.restoreSockets.pass()
        if let first = living.first { try setLastNumber(by: first) }
        for process in living { try ProcessRestore(process, context).restoreDescriptors() }
        try UnreadTerminals.restore(context)
        try Segments.removeMarked(tree.systemV.segments)
        for process in living { try OwnFileMappings(process: process, context: context).map() }
        for process in living { try PollSetRestore(process, context).watchNumbers() }
        try FaultPoint.restoreDescriptors.pass()
        for process in living {
            let space = AddressSpace(process: process.remote, thread: process.leader, layout: process.image.memory)
            try space.protectUnreadable()
            try space.adviseForLife()
            let restore = ProcessRestore(process, context)
            try restore.restoreAttributes(filter: target.filter)
            try restore.restoreThreadState()
        }
        try restoreSignalOwners(living)
        try FaultPoint.restoreThreads.pass()
        var tracked: [Int32: TrackedMemory] = [:]
        for process in living where ownMemory(of: process) >= TrackedMemory.leastMemory {
            tracked[process.image.pid] = try TrackedMemory.begin(
                in: process.remote, on: process.leader, process.image.memory)
        }
        for process in processes where process.image.zombieStatus != nil { try end(process) }
        // Children before their parents, which are told of a child's stop.
        for process in living.reversed() where process.image.stoppedBy != nil { try stop(process, among: living) }
        for process in living where process.image.stoppedBy == nil {
            try finish(process, among: living)
        }
        return tracked
    }

    /// About how much memory a process has for itself, in bytes: what of its origin's it has given up counts too.
    private func ownMemory(of process: RestoringProcess) -> UInt64 {
        let own = pages[process.image.pid]?.template.runs.reduce(0) { $0 + $1.length } ?? 0
        return own + (process.origin.map(ownMemory) ?? 0)
    }

    private func restoreSignalOwners(_ processes: [RestoringProcess]) throws(KernelError) {
        var done: Set<Int> = []
        for process in processes {
            for descriptor in process.image.descriptors where done.insert(descriptor.description).inserted {
                guard let owner = tree.descriptions[descriptor.description].signalOwner else { continue }
                try SignalOwners.restore(owner, of: descriptor.number, in: process)
            }
        }
    }

    private func finish(_ process: RestoringProcess, among living: [RestoringProcess]) throws(KernelError) {
        let known = living.map(\.image).filter { $0.parent == process.image.pid && $0.isStopKnown }
        try ProcessRestore(process, context).finish(stoppedChildren: known.map(\.pid))
    }

    /// Lets a process go into the stop in which it was captured.
    private func stop(_ process: RestoringProcess, among living: [RestoringProcess]) throws(KernelError) {
        try finish(process, among: living)
        _ = kill(process.remote.pid, SIGSTOP)
        for thread in process.threads.reversed() { thread.letGo() }
        let deadline = ContinuousClock.now + Self.patience
        while try ProcessLineage.state(of: process.remote.pid) != "T" {
            if ContinuousClock.now > deadline {
                throw KernelError("kill(SIGSTOP)", "process \(process.image.pid) does not stop", errno: .busy)
            }
            ck_short_sleep()
        }
    }

    /// Numbers of new processes go on behind those that were given: in a fresh sandbox the next ones would be those of processes
    /// that have only just ended (proc_sys_kernel(5), ns_last_pid). By a process inside, for the namespace is the writer's.
    private func setLastNumber(by process: RestoringProcess) throws(KernelError) {
        let last = tree.processes.flatMap { [$0.pid] + $0.threads.map(\.id) }.max() ?? 1
        let setting = try OwnedFD.open(FilePath(verbatim: "/proc/sys/kernel/ns_last_pid"), .write)
        var calls = process.calls
        let number = try process.take([setting.rawValue], after: &calls)[0]
        let text = Array("\(last)".utf8)
        let place = try calls.place(text)
        try calls.add(.write, [number, place, UInt64(text.count)])
        try calls.add(.close, [number])
        try calls.finish()
    }

    /// Ends a process as it had ended, for its parent to find.
    private func end(_ process: RestoringProcess) throws(KernelError) {
        let status = process.image.zombieStatus ?? 0
        switch ExitStatus(waitStatus: status) {
        case .exited(let code): try process.remote.exit(code: code, on: process.leader)
        case .signaled(let signal):
            // SIGKILL always has its default action, and cannot be given one.
            try process.remote.call(
                .rt_sigaction, [UInt64(signal), 0, 8], passing: [UInt8](repeating: 0, count: 32), at: 1,
                on: process.leader, mayFail: true)
            try process.leader.end(by: signal)
        }
    }

    /// Children first, so that no parent finds one gone.
    private func release(_ processes: [RestoringProcess]) {
        for process in processes.reversed() {
            for thread in process.threads.reversed() { thread.letGo() }
        }
    }
}
