import CKernel
import Kernel

/// Gives a process that was made everything that is its own, up to the moment when it may run.
struct ProcessRestore {
    let process: RestoringProcess
    let context: RestoreContext
    private let image: ProcessImage

    init(_ process: RestoringProcess, _ context: RestoreContext) {
        self.process = process
        self.context = context
        image = process.image
    }

    // MARK: Descriptors

    /// The number from which on nothing of the image is in the way.
    private func firstFreeNumber(_ pollSets: PollSetRestore) -> Int32 {
        max(16, ((image.descriptors.map(\.number) + pollSets.numbers).max() ?? 0) + 1)
    }

    /// Makes the descriptor table, maps shared memory, and enters the working directory and the root, all of which takes
    /// descriptors.
    func restoreDescriptors() throws(KernelError) {
        var calls = process.calls
        let pollSets = PollSetRestore(process, context)
        try moveChannel(to: UInt64(firstFreeNumber(pollSets)), &calls)
        let memory = try passSharedMemory(after: &calls)
        if !memory.isEmpty {
            try AddressSpace(process: process.remote, thread: process.leader, layout: image.memory).mapShared(memory)
            for number in memory.values { try calls.add(.close, [UInt64(number)]) }
        }
        try SegmentAttachment(process: process, segments: context.tree.systemV.segments).attach()
        try pollSets.watchClosedNumbers(after: &calls)
        let descriptors = image.descriptors.sorted { $0.number < $1.number }
        var files: [Int32] = []
        for descriptor in descriptors { files.append(try context.descriptor(of: descriptor.description)) }
        let folders = try ProcessFolders(of: image, in: context.root)
        let program = try openProgram()
        defer { withExtendedLifetime(program) {} }
        let received = try process.take(
            files + folders.descriptors + program.map { $0.descriptor.rawValue }, after: &calls)
        try folders.enter(received.dropFirst(files.count).prefix(folders.descriptors.count), &calls)
        if let number = received.dropFirst(files.count + folders.descriptors.count).first {
            let space = AddressSpace(process: process.remote, thread: process.leader, layout: image.memory)
            try space.describe(executable: number, &calls)
            try calls.add(.close, [number])
        }
        // From the last one on: what was received has the lowest numbers in order, none above the one that it is to have, so that no
        // move hits what is still to be moved.
        for (descriptor, number) in zip(descriptors, received).reversed() { try place(number, at: descriptor, &calls) }
        for descriptor in descriptors {
            for lock in descriptor.recordLocks { try apply(lock, to: descriptor.number, &calls) }
        }
        try calls.finish()
    }

    /// The program's file, of the process's own sandbox; none when it was deleted.
    private func openProgram() throws(KernelError) -> [SharedDescriptor] {
        guard let index = image.memory.executable else { return [] }
        let path = try FilePath(validating: image.memory.files[index])
        return [SharedDescriptor(try context.root.open(path, .read, resolving: .inRoot))]
    }

    private func moveChannel(to number: UInt64, _ calls: inout CallBatch) throws(KernelError) {
        try calls.add(.dup3, [process.channelNumber, number, CloseOnExec.flag])
        try calls.add(.close, [process.channelNumber])
        process.channelNumber = number
        try calls.add(.close_range, [0, number - 1, 0])
        try calls.add(.close_range, [number + 1, UInt64(UInt32.max), 0])
    }

    private func place(
        _ received: UInt64, at descriptor: DescriptorImage, _ calls: inout CallBatch
    ) throws(KernelError) {
        let number = UInt64(descriptor.number)
        if received == number {
            let setFlags: UInt64 = 2  // F_SETFD
            try calls.add(.fcntl, [number, setFlags, descriptor.closesOnExec ? 1 : 0])
            return
        }
        try calls.add(.dup3, [received, number, descriptor.closesOnExec ? CloseOnExec.flag : 0])
        try calls.add(.close, [received])
    }

    private func apply(_ lock: FileLockImage, to number: Int32, _ calls: inout CallBatch) throws(KernelError) {
        let setLock: UInt64 = 6  // F_SETLK
        let (forReading, forWriting): (Int16, Int16) = (0, 1)
        // struct flock: type, whence, start, length, pid.
        var bytes = plainBytes(of: lock.isWrite ? forWriting : forReading) + [UInt8](repeating: 0, count: 6)
        bytes += plainBytes(of: lock.start) + plainBytes(of: lock.length) + [UInt8](repeating: 0, count: 8)
        let place = try calls.place(bytes)
        try calls.add(.fcntl, [UInt64(number), setLock, place])
    }

    private func passSharedMemory(after calls: inout CallBatch) throws(KernelError) -> [Int: Int32] {
        var numbers: [Int: Int32] = [:]
        for area in image.memory.areas {
            guard case .shared(let index) = area.content, numbers[index] == nil else { continue }
            let memory = try context.withSharedMemory(index) { memory throws(KernelError) in memory.rawValue }
            numbers[index] = Int32(try process.take([memory], after: &calls)[0])
        }
        return numbers
    }

    private enum CloseOnExec { static let flag: UInt64 = 0o2000000 }

    // MARK: The process

    /// What is neither memory nor descriptor, and the other threads, which share everything with the leader; last, the sandbox's
    /// filter for all of them.
    func restoreAttributes(filter: [UInt8]) throws(KernelError) {
        let attributes = image.attributes
        try set("oom_score_adj", "\(attributes.outOfMemoryScore)", as: "\(attributes.outOfMemoryScore)")
        try set("coredump_filter", "0x" + attributes.coreDumpFilter, as: attributes.coreDumpFilter)
        var calls = process.calls
        try calls.add(.umask, [UInt64(attributes.umask)])
        try calls.add(.personality, [attributes.personality])
        try calls.add(.prctl, [Control.setTimerSlack, attributes.timerSlack])
        if attributes.isWithoutHugePages { try calls.add(.prctl, [Control.setHugePagesOff, 1, 0, 0, 0]) }
        if attributes.isChildSubreaper { try calls.add(.prctl, [Control.setChildSubreaper, 1]) }
        // CLONE_VM, FS, FILES, SIGHAND, THREAD, SYSVSEM
        let flags: UInt64 = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000
        for thread in image.threads.dropFirst() { try CloneArguments(flags: flags, pid: thread.id).add(to: &calls) }
        try install(filter, &calls)
        try calls.finish()
        process.threads += calls.made
    }

    /// Writes a setting that the process has inherited from the engine, unless it is the same.
    private func set(_ file: String, _ value: String, as shown: String) throws(KernelError) {
        let inherited = try ProcFS.read("/proc/self/\(file)").filter { !$0.isWhitespace }
        if inherited != shown { try ProcFS.write(value, to: "/proc/\(process.remote.pid)/\(file)") }
    }

    /// Timers, limits, and per thread what it registers with the kernel and who it is. From here on the process can do no more than it
    /// could.
    func restoreThreadState() throws(KernelError) {
        try POSIXTimers.restore(image.timers.posix, process.remote, on: process.leader)
        try setLimits()
        // The leader last, for a change of ids clears what the process as a whole is then given (prctl(2)).
        for (thread, state) in zip(process.threads, image.threads).reversed() {
            var calls = CallBatch(process.remote, on: thread)
            try ThreadRestore(thread: thread, image: state, process: process).register(&calls)
            try CredentialRestore(image: image.credentials).apply(&calls)
            if thread === process.leader {
                try calls.add(.prctl, [Control.setDumpable, image.attributes.isDumpable == 1 ? 1 : 0])
                if image.attributes.parentDeathSignal != 0 {
                    try calls.add(.prctl, [Control.setParentDeathSignal, UInt64(image.attributes.parentDeathSignal)])
                }
            }
            try calls.finish()
        }
    }

    private func setLimits() throws(KernelError) {
        for (resource, limit) in image.limits.enumerated() where limit.count == 2 {
            try check("prlimit", "\(image.pid)") {
                ck_set_limit(process.remote.pid, Int32(resource), limit[0], limit[1])
            }
        }
    }

    /// All threads at once (SECCOMP_FILTER_FLAG_TSYNC).
    private func install(_ filter: [UInt8], _ calls: inout CallBatch) throws(KernelError) {
        let (setFilter, allThreads): (UInt64, UInt64) = (1, 1)
        let headerSize = 16
        // struct sock_fprog, with the instructions behind it.
        let program = try calls.place(headerSize + filter.count) { address in
            plainBytes(of: UInt64(filter.count / 8)) + plainBytes(of: address + UInt64(headerSize)) + filter
        }
        try calls.add(.seccomp, [setFilter, allThreads, program])
    }

    /// The last touches: timers that run, pending signals, registers. `release` lets it run.
    ///
    /// - Parameter stoppedChildren: those of whose stop `wait` is to tell nothing.
    func finish(stoppedChildren: [Int32]) throws(KernelError) {
        var calls = process.calls
        try forgetNews(ofStopped: stoppedChildren, &calls)
        try startIntervalTimers(&calls)
        for info in image.pendingSignals {
            let content = try calls.place(info.bytes)
            try calls.add(.rt_sigqueueinfo, [UInt64(image.pid), UInt64(info.bytes[0]), content], mayFail: true)
        }
        for (thread, state) in zip(process.threads, image.threads) {
            try ThreadRestore(thread: thread, image: state, process: process).queuePendingSignals(&calls)
        }
        try calls.add(.close, [process.channelNumber])
        try calls.finish()
        try process.remote.removeSite(on: process.leader)
        for (thread, state) in zip(process.threads, image.threads) {
            try ThreadRestore(thread: thread, image: state, process: process).setRegisters()
        }
    }

    /// Takes back what the ends and stops of restored children have sent: the process was told of them before its capture.
    private func forgetNews(ofStopped children: [Int32], _ calls: inout CallBatch) throws(KernelError) {
        let stoppedNoHang: UInt64 = 2 | 1
        for child in children { try calls.add(.wait4, [UInt64(child), 0, stoppedNoHang, 0]) }
        let (childSignal, size) = (17, 32)
        // The default action is to ignore it, and to set that discards what is pending (sigaction(2)).
        let actions = try calls.place([
            [UInt8](repeating: 0, count: size),
            Array(image.signalActions.bytes[((childSignal - 1) * size)..<(childSignal * size)]),
        ])
        for action in actions { try calls.add(.rt_sigaction, [UInt64(childSignal), action, 0, 8]) }
    }

    private func startIntervalTimers(_ calls: inout CallBatch) throws(KernelError) {
        let size = 32
        for timer in 0..<3 {
            // struct itimerval: the interval, then the time that is left.
            var setting = Array(image.timers.intervals.bytes[(timer * size)..<((timer + 1) * size)])
            if setting.allSatisfy({ $0 == 0 }) { continue }
            // Nothing is left of one that repeats while its signal is pending (kernel/signal.c, dequeue_signal, sets it again).
            if setting[(size / 2)...].allSatisfy({ $0 == 0 }) {
                setting.replaceSubrange((size / 2)..., with: setting[..<(size / 2)])
            }
            let place = try calls.place(setting)
            try calls.add(.setitimer, [UInt64(timer), place, 0])
        }
    }
}
