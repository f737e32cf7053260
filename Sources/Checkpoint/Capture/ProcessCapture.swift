import CKernel
import Kernel

/// Captures what only calls in the process itself tell, and freezes a copy of its memory.
///
/// Whatever happens, the process is left as it was found.
struct ProcessCapture {
    /// All but SIGTRAP, by which a run of calls ends: nothing else may interrupt one.
    static let quietMask = ~(UInt64(1) << 4)

    private let process: HeldProcess
    private let remote: RemoteProcess
    private var leader: TracedThread { process.threads[0] }

    init(_ process: HeldProcess) throws(KernelError) {
        self.process = process
        remote = try RemoteProcess(process.pid)
    }

    /// The memory of one process at the moment of its capture.
    struct Memory {
        /// Holds it, whatever the process does later.
        let frozen: FrozenMemory
        /// nil where writes are not tracked from now on.
        let tracked: TrackedMemory?
        /// What has been written since the capture before; nil where that is unknown.
        let written: PageSet?
    }

    /// Completes the image, and freezes the memory.
    ///
    /// - Parameters:
    ///   - former: what the capture before has left to tell what was written since.
    ///   - stoppedChildren: in the sandbox's numbering.
    ///   - learnStop: called for each of those that `wait` would not tell of any more.
    func complete(
        _ image: inout ProcessImage, _ context: CaptureContext, former: TrackedMemory?, stoppedChildren: [Int32],
        learnStop: (Int32) -> Void
    ) throws(KernelError) -> Memory {
        var threads: [ThreadImage] = []
        for thread in process.threads {
            threads.append(try ThreadCapture.read(thread, of: process.pid, wait: process.waits[thread.id]?.number))
        }
        image.pendingSignals = try leader.pendingSignals(ofProcess: true).map(Blob.init)
        let masks = threads.map(\.signalMask)
        do throws(KernelError) {
            for thread in process.threads { try thread.setSignalMask(Self.quietMask) }
            try remote.installSite(on: leader)
            try FaultPoint.captureProcess.pass()
            try completeProcess(&image, root: context.root)
            for child in stoppedChildren where try !hasNews(of: child) { learnStop(child) }
            try SharedMemory.readContent(of: image.memory, remote, on: leader, context)
            for index in threads.indices {
                try ThreadCapture.complete(&threads[index], remote, on: process.threads[index])
            }
            image.threads = threads
            let frozen = try freeze(&image.memory)
            let (tracked, written) = try track(image.memory, former)
            try withdraw(masks)
            return Memory(frozen: frozen, tracked: tracked, written: written)
        } catch {
            // What failed here is why the capture fails; a process that is gone cannot be given anything back.
            try? withdraw(masks)
            throw error
        }
    }

    /// Whether `wait` would tell that a child has stopped; it is not told thereby.
    private func hasNews(of child: Int32) throws(KernelError) -> Bool {
        let (ofProcess, stoppedNoHangNoWait): (UInt64, UInt64) = (1, 2 | 1 | 0x0100_0000)
        var batch = CallBatch(remote, on: leader)
        let info = try batch.place([UInt8](repeating: 0, count: 128))
        try batch.add(.waitid, [ofProcess, UInt64(child), info, stoppedNoHangNoWait, 0])
        try batch.finish()
        // The signal's number, which stays 0 without news (waitid(2)).
        return try remote.memory.read(Int32.self, at: info) != 0
    }

    private func freeze(_ layout: inout MemoryLayoutImage) throws(KernelError) -> FrozenMemory {
        // A fork forgets it, so that it must be learned here.
        if process.status.hasLockedMemory { try MemoryAdvice.read(of: process.pid, into: &layout) }
        let frozen = try fork(&layout)
        try fillWiped(frozen, &layout)
        return frozen
    }

    /// A fork finds areas empty for which the program has asked that (MADV_WIPEONFORK): the copy gets their content, and the layout
    /// learns of it.
    private func fillWiped(_ frozen: FrozenMemory, _ layout: inout MemoryLayoutImage) throws(KernelError) {
        let stepSize: UInt64 = 1 << 20
        let own = try PageMap(of: process.pid)
        let copied = try PageMap(of: frozen.pid)
        let copy = try ProcessMemory(of: frozen.pid)
        // /proc/PID/maps does not tell which they are; but nothing else has pages of its own and none in a fork.
        for (index, area) in layout.areas.enumerated() where area.content == .anonymous {
            if try copied.hasOwnPages(in: area.range) { continue }
            for pages in try own.ownPages(in: area.range) {
                layout.areas[index].advice.insert(.wipedOnFork)
                for start in stride(from: pages.lowerBound, to: pages.upperBound, by: Int(stepSize)) {
                    let size = Int(min(stepSize, pages.upperBound - start))
                    try copy.write(try remote.memory.read(size, at: start), at: start)
                }
            }
        }
    }

    /// A fork leaves out areas that the program has told to (MADV_DONTFORK): it is told otherwise for one more fork.
    private func fork(_ layout: inout MemoryLayoutImage) throws(KernelError) -> FrozenMemory {
        let frozen = try FrozenMemory(forkedFrom: remote, on: leader)
        try frozen.detachSegments(&layout)
        let present = try MemoryMap.read(of: frozen.pid)
        let missing = layout.areas.indices.filter { index in
            let area = layout.areas[index]
            return area.isPrivate && !present.contains { $0.start <= area.start && area.start < $0.end }
        }
        if missing.isEmpty { return frozen }
        let areas = missing.map { layout.areas[$0] }
        for index in missing { layout.areas[index].advice.insert(.notForked) }
        do throws(KernelError) {
            try advise(MemoryAdvice.doFork, areas)
            let whole = try FrozenMemory(forkedFrom: remote, on: leader, insteadOf: frozen)
            try advise(MemoryAdvice.dontFork, areas)
            try whole.detachSegments(&layout)
            return whole
        } catch {
            try? advise(MemoryAdvice.dontFork, areas)
            throw error
        }
    }

    /// Learns what was written since the capture before, and has further writes tracked. Where that cannot be had, the memory is copied
    /// whole, now and the next time.
    private func track(
        _ layout: MemoryLayoutImage, _ former: TrackedMemory?
    ) throws(KernelError) -> (TrackedMemory?, PageSet?) {
        if process.status.ownMemory < TrackedMemory.leastMemory { return (nil, nil) }
        if let former, try former.isOf(process.pid),
            let written = try? former.takeWrites(of: process.pid, in: layout)
        {
            return (former, written)
        }
        // Executing another program ends it, for instance.
        return (try TrackedMemory.begin(in: remote, on: leader, layout), nil)
    }

    private func advise(_ advice: UInt64, _ areas: [AreaImage]) throws(KernelError) {
        var batch = CallBatch(remote, on: leader)
        for area in areas { try batch.add(.madvise, [area.start, area.size, advice]) }
        try batch.finish()
    }

    private func withdraw(_ masks: [UInt64]) throws(KernelError) {
        try remote.removeSite(on: leader)
        for (thread, mask) in zip(process.threads, masks) { try thread.setSignalMask(mask) }
    }

    private func completeProcess(_ image: inout ProcessImage, root: borrowing OwnedFD) throws(KernelError) {
        var batch = CallBatch(remote, on: leader)
        let actionSize = 32
        let actions = try batch.place([UInt8](repeating: 0, count: 64 * actionSize))
        let intervals = try batch.place([UInt8](repeating: 0, count: 3 * 32))
        let (deathSignal, subreaper) = (
            try batch.place([UInt8](repeating: 0, count: 8)), try batch.place([UInt8](repeating: 0, count: 8))
        )
        for signal in 1...UInt64(64) {
            try batch.add(.rt_sigaction, [signal, 0, actions + (signal - 1) * UInt64(actionSize), 8])
        }
        for timer in 0..<UInt64(3) { try batch.add(.getitimer, [timer, intervals + timer * 32]) }
        try batch.add(.brk, [0])
        try batch.add(.prctl, [Control.getParentDeathSignal, deathSignal])
        try batch.add(.prctl, [Control.getChildSubreaper, subreaper])
        try batch.add(.prctl, [Control.getDumpable])
        try batch.add(.prctl, [Control.getSecureBits])
        try batch.add(.prctl, [Control.getTimerSlack])
        try batch.add(.prctl, [Control.getHugePagesOff, 0, 0, 0, 0])
        let results = try batch.finish()
        let answers = results.suffix(7).map { UInt64(bitPattern: $0) }
        image.signalActions = Blob(try remote.memory.read(64 * actionSize, at: actions))
        image.timers.intervals = Blob(try remote.memory.read(96, at: intervals))
        image.attributes.parentDeathSignal = try remote.memory.read(Int32.self, at: deathSignal)
        image.attributes.isChildSubreaper = try remote.memory.read(Int32.self, at: subreaper) != 0
        image.attributes.isDumpable = answers[3]
        image.credentials.secureBits = answers[4]
        image.attributes.timerSlack = answers[5]
        image.attributes.isWithoutHugePages = answers[6] != 0

        let statistics = ProcessStatistics(try ProcFS.read("/proc/\(process.pid)/stat"))
        image.memory.bounds = statistics.memoryBounds(brk: answers[0])
        let vector = try OwnedFD.open(FilePath(verbatim: "/proc/\(process.pid)/auxv"), .read).readToEnd()
        image.memory.auxiliaryVector = Blob(vector)
        image.timers.posix = try POSIXTimers.capture(remote, on: leader, inside: process.inside, root: root)
    }
}

/// Operations of prctl(2) (linux/prctl.h).
enum Control {
    static let setParentDeathSignal: UInt64 = 1
    static let getParentDeathSignal: UInt64 = 2
    static let getDumpable: UInt64 = 3
    static let setDumpable: UInt64 = 4
    static let setName: UInt64 = 15
    static let dropBoundingCapability: UInt64 = 24
    static let getSecureBits: UInt64 = 27
    static let setSecureBits: UInt64 = 28
    static let setTimerSlack: UInt64 = 29
    static let getTimerSlack: UInt64 = 30
    static let setMemory: UInt64 = 35
    static let setMemoryMap: UInt64 = 14
    static let setChildSubreaper: UInt64 = 36
    static let getChildSubreaper: UInt64 = 37
    static let setNoNewPrivileges: UInt64 = 38
    static let getThreadIDAddress: UInt64 = 40
    static let setHugePagesOff: UInt64 = 41
    static let getHugePagesOff: UInt64 = 42
    static let ambientCapability: UInt64 = 47
    static let raiseAmbientCapability: UInt64 = 2
    static let restoreTimerNumbers: UInt64 = 77
}
