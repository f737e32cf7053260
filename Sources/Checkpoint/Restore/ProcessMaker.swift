import Kernel

/// Makes the processes of an image in a sandbox, with their numbers, parents, sessions and groups, but nothing of their own
/// yet except the memory of templates. Belongs to the tracing thread.
final class ProcessMaker {
    private static let waitForAll: UInt64 = 0x4000_0000  // __WALL

    private let tree: TreeImage
    private let templates: [Int32: Template]
    private let target: RestoreTarget
    private let context: RestoreContext
    private(set) var made: [RestoringProcess] = []
    private var byPid: [Int32: RestoringProcess] = [:]
    private let takenNumbers: Set<Int32>

    init(_ context: RestoreContext, templates: [Int32: Template], target: RestoreTarget) {
        self.context = context
        tree = context.tree
        self.templates = templates
        self.target = target
        takenNumbers = Set(tree.processes.flatMap { [$0.pid, $0.session, $0.group] + $0.threads.map(\.id) })
    }

    /// Makes them all. On failure those that were made are killed by whoever kills the sandbox.
    func makeAll() throws(KernelError) {
        for (index, image) in tree.processes.enumerated() {
            let origin = tree.origin(of: index).flatMap { byPid[tree.processes[$0].pid] }
            let process: RestoringProcess
            if let origin {
                process =
                    try origin.image.pid == image.parent ? fork(image, from: origin) : forkOrphan(image, from: origin)
            } else {
                guard let template = templates[image.pid] else {
                    throw KernelError("clone3", "process \(image.pid) has no template", errno: .invalid)
                }
                process = try fork(image, from: template)
            }
            made.append(process)
            try FaultPoint.restoreProcess.pass()
            byPid[image.pid] = process
            if image.session == image.pid, process.session != image.pid { try lead(process) }
        }
        try setGroups()
    }

    /// A number that no process of the image has, for one that soon ends.
    private func helperNumber() -> Int32 {
        // Below the least limit that kernels have (pid_max, proc_sys_kernel(5)).
        var number: Int32 = 32_000
        while takenNumbers.contains(number) { number -= 1 }
        return number
    }

    // MARK: Forks

    private func fork(_ image: ProcessImage, from parent: RestoringProcess) throws(KernelError) -> RestoringProcess {
        let arguments = CloneArguments(exitSignal: CloneArguments.childSignal, pid: image.pid)
        let (thread, _) = try arguments.make(by: parent.remote, on: parent.leader)
        return try RestoringProcess(
            image, thread, site: site(of: parent), channel: parent.channel, origin: parent, group: parent.group,
            session: parent.session)
    }

    private func forkOrphan(
        _ image: ProcessImage, from member: RestoringProcess
    ) throws(KernelError) -> RestoringProcess {
        let helperArguments = CloneArguments(flags: CloneArguments.sharedMemory, pid: helperNumber())
        let (helper, number) = try helperArguments.make(by: member.remote, on: member.leader)
        let arguments = CloneArguments(exitSignal: CloneArguments.childSignal, pid: image.pid)
        let (thread, _) = try arguments.make(by: member.remote, on: helper)
        helper.kill()
        try member.call(.wait4, [UInt64(number), 0, Self.waitForAll, 0])
        return try RestoringProcess(
            image, thread, site: site(of: member), channel: member.channel, origin: member, group: member.group,
            session: member.session)
    }

    /// From outside: only from above can memory be forked into a sandbox.
    private func fork(_ image: ProcessImage, from template: Template) throws(KernelError) -> RestoringProcess {
        // A session whose leader is gone lives on by its number: a helper takes it, leads, and leaves.
        let isLeader = image.session == image.pid
        let helperArguments = CloneArguments(
            flags: CloneArguments.sharedMemory, pid: isLeader ? helperNumber() : image.session)
        let arguments = CloneArguments(
            exitSignal: CloneArguments.childSignal, pid: image.pid, controlGroup: target.controlGroups.version2)
        let (thread, handle) = try template.whileHeld { remote, holder throws(KernelError) in
            try holder.followMaking()
            var calls = CallBatch(remote, on: holder)
            try Template.makeProcesses(inNamespaceOf: target.initPid, &calls)
            try helperArguments.add(to: &calls)
            let results = try helperArguments.finish(&calls)
            let (handle, helper, number) = (UInt64(results[0]), calls.made[0], UInt64(results[results.count - 1]))

            var helperCalls = CallBatch(remote, on: helper)
            try enterControlGroups(&helperCalls)
            if !isLeader { try helperCalls.add(.setsid, []) }
            try arguments.add(to: &helperCalls)
            try arguments.finish(&helperCalls)
            helper.kill()
            try calls.add(.wait4, [number, 0, Self.waitForAll, 0])
            try calls.add(.close, [handle])
            try calls.finish()
            return (helperCalls.made[0], handle)
        }
        target.waitForRoot()
        let session = isLeader ? 0 : image.session
        let process = try RestoringProcess(
            image, thread, site: template.site, channel: template.channel, origin: nil, group: session, session: session
        )
        var calls = process.calls
        try calls.add(.setns, [handle, Self.namespacesButPid])
        try calls.add(.close, [handle])
        try calls.finish()
        return process
    }

    private func site(of process: RestoringProcess) throws(KernelError) -> CallSite {
        guard let site = process.remote.site else { preconditionFailure("a restoring process has a call site") }
        return site
    }

    /// Has a helper move itself to the groups of version 1, which does not make the kernel wait; see ControlGroupFolders. What it has
    /// open thereby is closed with its descriptors.
    private func enterControlGroups(_ calls: inout CallBatch) throws(KernelError) {
        let writeOnlyCloseOnExec: UInt64 = 1 | 0o2000000
        let itself = try calls.place([UInt8(ascii: "0")])
        for folder in target.controlGroups.version1 {
            let path = try calls.place(Array((folder + "/tasks").utf8) + [0])
            try calls.add(
                .openat, [SystemCall.currentFolder, path, writeOnlyCloseOnExec, 0],
                handover: .argument(0, callsAhead: 1))
            try calls.add(.write, [0, itself, 1])
        }
    }

    /// User, mount, network, ipc, uts and control groups.
    private static let namespacesButPid: UInt64 =
        0x1000_0000 | 0x2_0000 | 0x4000_0000 | 0x800_0000 | 0x400_0000 | 0x200_0000

    // MARK: Sessions and groups

    /// Makes a process lead its session, with its terminal, before it has children that belong to both.
    private func lead(_ process: RestoringProcess) throws(KernelError) {
        try process.call(.setsid, [])
        (process.session, process.group) = (process.image.pid, process.image.pid)
        guard let terminal = process.image.controllingTerminal else { return }
        let slave = try context.withTerminal(terminal) { _ throws(KernelError) in
            try Terminals.openSlave(tree.terminals[terminal].number, flags: 2, in: context.root)
        }
        let number = try process.take([slave.rawValue])[0]
        try process.call(.ioctl, [number, TerminalRequest.becomeControlling, 0])
        try process.call(.close, [number])
    }

    private func setGroups() throws(KernelError) {
        // Leaders of groups first.
        for process in made where process.image.group == process.image.pid && process.group != process.image.pid {
            try process.call(.setpgid, [0, 0])
            process.group = process.image.pid
        }
        let orphaned = Set(
            made.filter { $0.group != $0.image.group && byPid[$0.image.group] == nil }.map(\.image.group))
        for group in orphaned { try joinGroup(withoutLeader: group) }
        for process in made where process.group != process.image.group {
            try process.call(.setpgid, [0, UInt64(process.image.group)])
            process.group = process.image.group
        }
        try setForegroundGroups()
    }

    /// A group whose leader is gone lives on by its number: a helper founds it and ends.
    private func joinGroup(withoutLeader group: Int32) throws(KernelError) {
        let members = made.filter { $0.image.group == group }
        guard let founder = members.first else { return }
        let arguments = CloneArguments(flags: CloneArguments.sharedMemory, pid: group)
        let (helper, number) = try arguments.make(by: founder.remote, on: founder.leader)
        try founder.remote.call(.setpgid, [0, 0], on: helper)
        for member in members {
            try member.call(.setpgid, [0, UInt64(group)])
            member.group = group
        }
        helper.kill()
        try founder.call(.wait4, [UInt64(number), 0, Self.waitForAll, 0])
    }

    private func setForegroundGroups() throws(KernelError) {
        for (index, terminal) in tree.terminals.enumerated() where terminal.foregroundGroup > 0 {
            guard
                let leader = made.first(where: { $0.image.controllingTerminal == index && $0.session == $0.image.pid }),
                made.contains(where: { $0.group == terminal.foregroundGroup })
            else { continue }
            let slave = try Terminals.openSlave(terminal.number, flags: 2, in: context.root)
            let number = try leader.take([slave.rawValue])[0]
            try leader.remote.call(
                .ioctl, [number, TerminalRequest.setForegroundGroup], passing: plainBytes(of: terminal.foregroundGroup),
                at: 2, on: leader.leader)
            try leader.call(.close, [number])
        }
    }

    /// Requests of ioctl_tty(2).
    private enum TerminalRequest {
        static let becomeControlling: UInt64 = 0x540e
        static let setForegroundGroup: UInt64 = 0x5410
    }
}
