import Checkpoint
import Dispatch
import Glibc
import Kernel
import Store
import Synchronization

/// One life of a sandbox between two moments when its namespaces are replaced: create to rollback, resume to hibernate.
///
/// It owns the namespaces, the processes in them, and the commands that run there.
final class Incarnation: Sendable {
    let namespaces: NamespaceSet
    private let identity: IdentityFiles
    /// Nil in a sandbox without outbound connections.
    let uplink: Uplink?
    let forwards: PortForwards
    let processes: ProcessTree
    /// What of the processes has an id.
    let processTable: ProcessTable
    let loop: EventLoop
    let nullDevice: OwnedFD
    /// Held while somebody looks for processes that were left behind.
    let looking = Mutex(())
    let executions = Mutex<[ExecMark: Execution]>([:])
    let watched = Mutex(WatchedLimits())
    /// No single file can become larger than all together may be, however fast it is written. Nil: there is no limit, because
    /// folders of the host are mounted whose files may be of any size.
    let largestFile: UInt64?
    /// Folders of the host that are mounted in the present root.
    private let folders: Mutex<[MountedFolder]>
    private let formerRoot: Mutex<FormerRoot>
    /// Captures whose memory still is in processes of this sandbox.
    let dependentCaptures = DispatchGroup()
    let captureHistory = CaptureHistory()
    /// What threads waited in when they were stopped last.
    let waits = KnownWaits()
    /// What the last copy of the upper has left for the next one.
    let formerUpper = Mutex<FormerUpper?>(nil)
    /// CPU time of processes that have ended, for hosts without control groups.
    private let usageOfEnded = Mutex((cpuMicroseconds: UInt64(0), peakMemoryBytes: UInt64(0)))

    /// Puts a root filesystem into a ready set of namespaces. Blocks for about a millisecond.
    ///
    /// On failure the ground is destroyed.
    init(
        _ ground: SandboxGround, id: String, hostname: String, limits: SandboxLimits, nameServer: String?,
        root: RootFilesystem, folders: [MountedFolder], store: String, workshop: String, processTable: ProcessTable,
        loop: EventLoop
    ) throws(SandboxError) {
        let namespaces = ground.namespaces
        let largestFile: UInt64? = folders.isEmpty ? UInt64(limits.diskBytes) : nil
        self.largestFile = largestFile
        self.folders = Mutex(folders)
        do throws(SandboxError) {
            let identity = try onKernel { () throws(KernelError) in
                try namespaces.controlGroup.apply(limits)
                if !namespaces.controlGroup.limitsProcesses {
                    // One more than the sandbox may have: isorun-init is none of its own.
                    try namespaces.process.limitProcesses(to: limits.pidsMax + 1)
                }
                if let largestFile { try FileSizeLimit.set(largestFile, for: namespaces.process.pid) }
                return try IdentityFiles(
                    id: id, hostname: hostname, nameServer: nameServer, workshop: workshop)
            }
            let former = try RootSwitch.perform(
                root, folders, store: store, identity: identity,
                .init(hostname: hostname, sharedMemoryBytes: limits.memoryBytes / 2), in: namespaces.process)
            formerRoot = Mutex(former)
            self.identity = identity
            processes = try onKernel { () throws(KernelError) in try ProcessTree(ofInit: namespaces.process.pid) }
            nullDevice = try onKernel { () throws(KernelError) in try OwnedFD.open("/dev/null", .readWrite) }
        } catch {
            ground.destroy()
            throw error
        }
        uplink = ground.uplink
        forwards = PortForwards(to: namespaces.process, loop: loop)
        self.namespaces = namespaces
        self.processTable = processTable
        self.loop = loop
        namespaces.channel.onOrphanExit { [weak self] pid, exit in self?.orphanExited(pid, exit) }
    }

    /// The sandbox's root folder, with everything that is mounted in it.
    func root() throws(KernelError) -> OwnedFD {
        settle()
        return try OwnedFD.open(FilePath(verbatim: "/proc/\(namespaces.process.pid)/root"), [.directory, .pathOnly])
    }

    /// Whether nothing runs but isorun-init.
    func isQuiet() throws(KernelError) -> Bool { try processes.pids() == [1] }

    /// The processes that run, split into those of commands under way and those that commands have left behind.
    func members() throws(KernelError) -> (inFlight: [ProcessTree.Member], leftBehind: [ProcessTree.Member]) {
        let marks = executions.withLock { Array($0.keys) }
        var split: (inFlight: [ProcessTree.Member], leftBehind: [ProcessTree.Member]) = ([], [])
        for member in try processes.members() {
            if marks.contains(where: member.carries) {
                split.inFlight.append(member)
            } else {
                split.leftBehind.append(member)
            }
        }
        return split
    }

    /// Puts the sandbox, quiet, onto a root whose lower layers hold what its upper held.
    ///
    /// - Parameter commit: called on the calling thread when the new root is ready, just before it replaces the present one.
    func switchRoot(
        to files: LayeredFilesystem, store: String, commit: () throws(SandboxError) -> Void
    ) throws(SandboxError) {
        settle()
        let (former, folders) = try RootSwitch.perform(
            .toMount(files), folders.withLock { $0 }, store: store, identity: identity, in: namespaces.process,
            commit: commit)
        formerRoot.withLock { $0 = former }
        self.folders.withLock { $0 = folders }
    }

    /// Waits until the root that was replaced last is gone.
    func settle() { formerRoot.withLock { $0 }.waitUntilGone() }

    // MARK: Commands

    /// The marks of commands under way.
    var executionMarks: Set<UInt64> { executions.withLock { Set($0.keys.map(\.rawValue)) } }

    var runningExecutions: Int { executions.withLock { $0.count } }

    /// Starts a command. Its outcome goes to `completion`, on the event loop's thread.
    ///
    /// - Parameter limit: how many may be under way.
    /// - Returns: the command under way, to be cancelled.
    func execute(
        _ command: PreparedCommand, _ options: ExecutionOptions, atMost limit: Int, accounting: Execution.Accounting,
        completion: @escaping Execution.Completion
    ) throws(SandboxError) -> Execution {
        let payload = try command.payload()
        settle()
        if runningExecutions >= limit {
            throw .limitExceeded(limit: "execsMax", reason: "the sandbox runs as many commands as it may")
        }
        return try onKernel { () throws(KernelError) in
            try execute(command, payload, options, accounting, completion)
        }
    }

    private func execute(
        _ command: PreparedCommand, _ payload: [UInt8], _ options: ExecutionOptions,
        _ accounting: Execution.Accounting, _ completion: @escaping Execution.Completion
    ) throws(KernelError) -> Execution {
        var outputPipe = try Pipe()
        var errorPipe = try Pipe()
        var inputPipe = try options.input.map { _ throws(KernelError) in try Pipe() }
        let mark = command.mark
        let execution = try Execution(
            mark: mark, output: outputPipe.takeReadEnd(), errorOutput: errorPipe.takeReadEnd(), options: options,
            accounting: accounting, loop: loop, killTree: { [weak self] in self?.killTree(mark) },
            completion: { [weak self] result in
                self?.executions.withLock { _ = $0.removeValue(forKey: mark) }
                completion(result)
            })
        var input: InputFeed?
        if let bytes = options.input, let writeEnd = inputPipe?.takeWriteEnd() {
            input = try InputFeed(writeEnd, bytes, loop: loop)
        }
        executions.withLock { $0[mark] = execution }
        let feed = input
        do throws(KernelError) {
            try namespaces.channel.spawn(
                payload,
                descriptors: [
                    inputPipe?.readDescriptor ?? nullDevice.rawValue, outputPipe.writeDescriptor,
                    errorPipe.writeDescriptor,
                ],
                started: { result in
                    switch result {
                    case .success: execution.started(input: feed, timeout: options.timeout)
                    case .failure(let refusal): execution.refused(command.error(for: refusal))
                    }
                },
                exited: { [weak self] exit in
                    self?.count(exit)
                    execution.exited(exit)
                })
        } catch {
            executions.withLock { _ = $0.removeValue(forKey: mark) }
            throw error
        }
        return execution
    }

    private func killTree(_ mark: ExecMark) {
        do throws(KernelError) {
            try processes.kill(mark)
        } catch {
            // The sandbox's /proc is gone, and so are its processes.
        }
    }

    // MARK: Usage

    struct Usage {
        var cpuMicroseconds: UInt64
        var memoryBytes: UInt64
        var peakMemoryBytes: UInt64
        var processes: Int
    }

    /// From the control group where there is one, else added up over the processes. `processes` counts threads, too.
    func usage() throws(KernelError) -> Usage {
        let group = namespaces.controlGroup
        let alive = try processes.usage()
        let ended = usageOfEnded.withLock { $0 }
        var memory = try group.memoryBytes() ?? 0
        if !group.limitsMemory { memory = try processes.heldBytes() }
        let peak = usageOfEnded.withLock { usage in
            usage.peakMemoryBytes = max(usage.peakMemoryBytes, memory)
            return usage.peakMemoryBytes
        }
        return Usage(
            cpuMicroseconds: try group.cpuMicroseconds() ?? (ended.cpuMicroseconds + alive.cpuMicroseconds),
            memoryBytes: memory, peakMemoryBytes: try group.peakMemoryBytes() ?? peak, processes: alive.count)
    }

    func count(_ exit: InitChannel.Exit) {
        usageOfEnded.withLock { usage in
            usage.cpuMicroseconds += exit.cpuMicroseconds
            usage.peakMemoryBytes = max(usage.peakMemoryBytes, exit.peakMemoryBytes)
        }
    }

    // MARK: The end

    /// Calls back when the sandbox's PID 1 has ended, whoever ended it.
    func onEnd(_ handler: @escaping @Sendable () -> Void) {
        namespaces.channel.onEnd { [self] in
            let interrupted = executions.withLock { Array($0.values) }
            for execution in interrupted { execution.sandboxGone() }
            handler()
            processTable.interrupt()
        }
    }

    /// Kills every process. `destroy` waits until they are gone.
    func kill() {
        endNetwork()
        dependentCaptures.wait()
        processTable.cutOff()
        namespaces.process.kill()
    }

    /// Kills every process and waits until they are gone. Commands under way end with what they had printed.
    func destroy() {
        endNetwork()
        dependentCaptures.wait()
        processTable.cutOff()
        namespaces.destroy()
        processTable.interrupt()
    }

    private func endNetwork() {
        forwards.end()
        uplink?.end()
    }
}
