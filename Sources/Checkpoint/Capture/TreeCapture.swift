import Kernel

/// One capture of a sandbox's processes, from holding them to letting them go. Belongs to the tracing thread.
final class TreeCapture {
    private let held: HeldTree
    private let context: CaptureContext
    /// Those that are kept, beside their images.
    private var kept: [(process: HeldProcess, image: ProcessImage)] = []
    private var frozen: [Int32: FrozenMemory] = [:]
    private var mappedFiles: MappedFiles?
    /// What the capture before has left.
    private let former: CaptureHistory.Moment?
    /// By the processes' numbers inside, as all here.
    private var tracked: [Int32: TrackedMemory] = [:]
    private var written: [Int32: PageSet] = [:]
    private(set) var explanation = RuntimeExplanation(processes: [])

    /// Holds and examines. Nothing is touched yet.
    init(_ request: CaptureRequest, after former: CaptureHistory.Moment? = nil) throws(CheckpointError) {
        self.former = former
        do throws(KernelError) {
            held = try HeldTree(descendantsOf: request.initPid, request.waits)
            context = try CaptureContext(request)
            try examine()
            try FaultPoint.captureExamined.pass()
        } catch {
            throw .kernel(error)
        }
    }

    // MARK: Examination

    private func examine() throws(KernelError) {
        let filters = try ProcessStatus.read(of: context.request.initPid)?.filters ?? 0
        context.insidePids = Dictionary(
            held.processes.map { ($0.pid, $0.inside) }, uniquingKeysWith: { first, _ in first })
        var examined: [HeldProcess] = []
        for process in held.processes where try !isExcluded(process) { examined.append(process) }
        var lost = held.restless
        for process in examined where lost[process.pid] == nil {
            do throws(ResourceError) {
                let examination = Examination(process: process, sandboxFilters: filters, context: context)
                kept.append((process, try examination.image()))
            } catch {
                switch error {
                case .unsupported(let reason): lost[process.pid] = reason
                case .kernel(let error): throw error.of(process.inside, process.status.name)
                }
            }
        }
        try examineSockets(&lost)
        try PollTargets(context, kept.map { ($0.process.pid, $0.image) }, kept: keptDescriptions).find()
        try unreadTerminals.findLosses()
        context.forgetCopies()
        let images = Dictionary(uniqueKeysWithValues: kept.map { ($0.process.pid, $0.image) })
        var verdicts: [RuntimeExplanation.Process] = []
        for process in examined {
            verdicts.append(
                .init(
                    pid: process.inside, command: try CommandLine.of(process.pid, name: process.status.name),
                    lost: lost[process.pid], resets: images[process.pid].map(resets) ?? []))
        }
        explanation = RuntimeExplanation(processes: verdicts)
        adoptOrphans()
        try nameTerminals()
    }

    /// What lies in sockets and how they stand to each other; a process with one that cannot be kept is lost.
    private func examineSockets(_ lost: inout [Int32: String]) throws(KernelError) {
        guard let relations = try SocketRelations(context) else { return }
        var reasons: [Int: String] = [:]
        var unread = context.sockets.keys.sorted()
        while !unread.isEmpty {
            let known = context.sockets.count
            for index in unread {
                do throws(ResourceError) {
                    try relations.readContent(of: index)
                } catch {
                    switch error {
                    case .unsupported(let reason): reasons[index] = reason
                    case .kernel(let error): throw error
                    }
                }
            }
            // What lay in them may have led to further ones, which come last.
            unread = Array(context.sockets.keys.sorted().dropFirst(known))
        }
        for (process, image) in kept {
            if let reason = context.reach(of: image.descriptors.map(\.description)).compactMap({ reasons[$0] }).first {
                lost[process.pid] = reason
            }
        }
        kept.removeAll { lost[$0.process.pid] != nil }
        try relations.connect(keptDescriptions)
    }

    /// The descriptions of processes that are kept.
    private var keptDescriptions: Set<Int> {
        context.reach(of: kept.flatMap { $0.image.descriptors.map(\.description) })
    }

    /// What of a process that is kept begins anew, for people.
    private func resets(of image: ProcessImage) -> [String] {
        var told: Set<String> = []
        return image.descriptors.compactMap { descriptor in
            guard let loss = context.loss(of: descriptor.description), told.insert(loss).inserted else { return nil }
            return "\(loss) (descriptor \(descriptor.number))"
        }
    }

    private func isExcluded(_ process: HeldProcess) throws(KernelError) -> Bool {
        if process.isZombie { return false }
        return context.request.excludedMarks.contains(try LockLimit.read(of: process.pid))
    }

    /// Children of what is not kept become the sandbox's first process's, as if their parent had ended; what is a zombie then
    /// would be reaped at once. Parents come before their children.
    private func adoptOrphans() {
        let pids = Set(kept.filter { $0.image.zombieStatus == nil }.map(\.image.pid))
        for index in kept.indices where !pids.contains(kept[index].image.parent) { kept[index].image.parent = 1 }
        kept.removeAll { $0.image.zombieStatus != nil && $0.image.parent == 1 }
        var ordered: [(process: HeldProcess, image: ProcessImage)] = []
        var placed: Set<Int32> = [1]
        while ordered.count < kept.count {
            for entry in kept where placed.contains(entry.image.parent) && !placed.contains(entry.image.pid) {
                ordered.append(entry)
                placed.insert(entry.image.pid)
            }
        }
        // A session's leader is made before others of its session, where it is nobody's child.
        let leaders = ordered.filter { $0.image.parent == 1 && $0.image.session == $0.image.pid }
        kept = leaders + ordered.filter { !($0.image.parent == 1 && $0.image.session == $0.image.pid) }
    }

    /// Turns numbers of controlling terminals into places in the image.
    private func nameTerminals() throws(KernelError) {
        for index in kept.indices {
            guard let number = kept[index].image.controllingTerminal else { continue }
            let place = try Terminals.place(ofNumber: Int32(number), context)
            kept[index].image.controllingTerminal = place
            let statistics = ProcessStatistics(
                try ProcFS.read("proc/\(kept[index].image.pid)/stat", in: context.root.rawValue))
            if statistics.foregroundGroup > 0 {
                context.tree.terminals[place].foregroundGroup = statistics.foregroundGroup
            }
        }
    }

    private var unreadTerminals: UnreadTerminals {
        UnreadTerminals(context, Set(kept.flatMap { $0.image.descriptors.map(\.description) }))
    }

    /// - Throws: `unsupported` when a process cannot be kept.
    func requireAll() throws(CheckpointError) {
        let lost = explanation.processes.compactMap { process in
            process.lost.map { UnsupportedState(pid: process.pid, command: process.command, reason: $0) }
        }
        if !lost.isEmpty { throw .unsupported(lost) }
    }

    // MARK: Freezing

    /// Completes the images and freezes a copy of each process's memory.
    func freeze() throws(CheckpointError) {
        for index in kept.indices where kept[index].image.zombieStatus == nil {
            do throws(KernelError) {
                let capture = try ProcessCapture(kept[index].process)
                let pid = kept[index].image.pid
                var image = kept[index].image
                let stopped = kept.filter { $0.image.parent == pid && $0.image.stoppedBy != nil }.map(\.image.pid)
                let memory = try capture.complete(
                    &image, context, former: former?.tracked[pid], stoppedChildren: stopped
                ) { child in
                    for place in kept.indices where kept[place].image.pid == child {
                        kept[place].image.isStopKnown = true
                    }
                }
                (frozen[pid], tracked[pid], written[pid]) = (memory.frozen, memory.tracked, memory.written)
                kept[index].image = image
            } catch {
                throw .kernel(error.of(kept[index].image))
            }
        }
        do throws(KernelError) {
            context.tree.sharedFolder = try SharedFolder.capture(in: context.root)
            try unreadTerminals.take()
            // Here, because a name may lead to another file, or to none, as soon as the processes run again.
            mappedFiles = try MappedFiles(kept.flatMap(\.image.memory.lastingPaths), in: context.root)
            context.tree.systemV = try SystemVObjects.capture(in: context.request.initPid)
            try FaultPoint.captureFrozen.pass()
        } catch {
            throw .kernel(error)
        }
        context.tree.companion = Blob(context.request.companion())
    }

    func letGo() { held.letGo() }

    /// What the next capture needs to know of this one.
    func moment(of state: RuntimeState) -> CaptureHistory.Moment {
        CaptureHistory.Moment(state: state, tracked: tracked)
    }

    /// What has changed since the capture before; nil when nobody has kept that.
    func formerCapture() -> FormerCapture? { former?.state.flatMap { FormerCapture($0, written: written) } }

    /// What can be done while the processes run again.
    func finish() throws(CheckpointError) -> FrozenTree {
        do throws(KernelError) {
            try FaultPoint.captureReleased.pass()
            for index in kept.indices {
                guard let memory = frozen[kept[index].image.pid] else { continue }
                do throws(KernelError) {
                    try memory.readAdvice(into: &kept[index].image.memory)
                } catch {
                    throw error.of(kept[index].image)
                }
            }
            context.tree.processes = kept.map(\.image)
            context.tree.host = .current
            guard let mappedFiles else { preconditionFailure("a capture is frozen before it is finished") }
            return try FrozenTree(context.tree, frozen, mappedFiles)
        } catch {
            throw .kernel(error)
        }
    }
}
