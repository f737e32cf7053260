import Glibc
import Kernel

/// One restore, from the first process to the moment when all run. Belongs to the tracing thread, of its own.
struct TreeRestore {
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
    func perform(_ beforeRunning: (RestoredRuntime) throws(KernelError) -> Void) throws(KernelError) {
        try ThreadNamespaces.enterNetwork(of: try PidFD(opening: target.initPid))
        try SharedFolder.restore(tree.sharedFolder, in: context.root)
        let maker = ProcessMaker(context, templates: pages.mapValues(\.template), target: target)
        do throws(KernelError) {
            try maker.makeAll()
            for process in maker.made { context.pids[process.image.pid] = process.remote.pid }
            try complete(maker.made)
            try beforeRunning(RestoredRuntime(engineEnds: try context.takeEngineEnds(), pids: context.pids))
            release(maker.made)
        } catch {
            // Half of a process must not run for a moment.
            for process in maker.made.reversed() { process.leader.kill() }
            throw error
        }
    }

    private func complete(_ processes: [RestoringProcess]) throws(KernelError) {
        for process in processes {
            guard let origin = process.origin, let own = pages[process.image.pid] else { continue }
            try MemoryRestore(process: process, template: own.template, discarded: own.discarded, context: context)
                .perform(from: origin)
        }
        let living = processes.filter { $0.image.zombieStatus == nil }
        try SocketRestore(context, living).makeAll()
        for process in living { try ProcessRestore(process, context).restoreDescriptors() }
        for process in living { try ProcessRestore(process, context).restorePollSets() }
        for process in living {
            let restore = ProcessRestore(process, context)
            try restore.restoreAttributes()
            try AddressSpace(process: process.remote, thread: process.leader, layout: process.image.memory)
                .adviseForLife()
            try restore.restoreThreads()
            try restore.restoreThreadState(filter: target.filter)
        }
        for process in processes where process.image.zombieStatus != nil { try end(process) }
        for process in living { try ProcessRestore(process, context).finish() }
    }

    /// Ends a process as it had ended, for its parent to find.
    private func end(_ process: RestoringProcess) throws(KernelError) {
        let status = process.image.zombieStatus ?? 0
        switch ExitStatus(waitStatus: status) {
        case .exited(let code): try process.remote.exit(code: code, on: process.leader)
        case .signaled(let signal): try process.leader.end(by: signal)
        }
    }

    /// Children first, so that no parent finds one gone.
    private func release(_ processes: [RestoringProcess]) {
        for process in processes.reversed() {
            // What was stopped stops again as soon as it is let go.
            if process.image.stoppedBy != nil { _ = kill(process.remote.pid, SIGSTOP) }
            for thread in process.threads.reversed() { thread.letGo() }
        }
    }
}
