import CKernel
import Kernel

/// Gives a process that was made everything that is its own, up to the moment when it may run.
struct ProcessRestore {
    let process: RestoringProcess
    let context: RestoreContext
    private var image: ProcessImage { process.image }

    init(_ process: RestoringProcess, _ context: RestoreContext) {
        self.process = process
        self.context = context
    }

    // MARK: Descriptors

    /// The number from which on nothing of the image is in the way.
    private var firstFreeNumber: Int32 { max(16, (image.descriptors.map(\.number).max() ?? 0) + 1) }

    /// Makes the descriptor table, and maps shared memory, which takes descriptors too.
    func restoreDescriptors() throws(KernelError) {
        try moveChannel(to: UInt64(firstFreeNumber))
        let space = AddressSpace(process: process.remote, thread: process.leader, layout: image.memory)
        let memory = try passSharedMemory()
        try space.mapShared(memory)
        for number in memory.values { try process.call(.close, [UInt64(number)]) }
        try SegmentAttachment(process: process, segments: context.tree.systemV.segments).attach()
        for descriptor in image.descriptors {
            try context.withDescription(descriptor.description, of: process) { file throws(KernelError) in
                try place(try pass(file), at: descriptor)
                for lock in descriptor.recordLocks { try apply(lock, to: descriptor.number) }
            }
        }
    }

    private func moveChannel(to number: UInt64) throws(KernelError) {
        try process.call(.dup3, [process.channelNumber, number, CloseOnExec.flag])
        try process.call(.close, [process.channelNumber])
        process.channelNumber = number
        try process.call(.close_range, [0, number - 1, 0])
        try process.call(.close_range, [number + 1, UInt64(UInt32.max), 0])
    }

    private func pass(_ file: borrowing OwnedFD) throws(KernelError) -> Int32 {
        try process.channel.pass(
            [file.rawValue], to: process.remote, on: process.leader, through: process.channelNumber)[0]
    }

    /// A received descriptor has the lowest free number, which never is above the one that it is to have: those below are
    /// restored already or have no owner.
    private func place(_ received: Int32, at descriptor: DescriptorImage) throws(KernelError) {
        if received == descriptor.number {
            let setFlags: UInt64 = 2  // F_SETFD
            try process.call(.fcntl, [UInt64(received), setFlags, descriptor.closesOnExec ? 1 : 0])
            return
        }
        let flag = descriptor.closesOnExec ? CloseOnExec.flag : 0
        try process.call(.dup3, [UInt64(received), UInt64(descriptor.number), flag])
        try process.call(.close, [UInt64(received)])
    }

    private func apply(_ lock: FileLockImage, to number: Int32) throws(KernelError) {
        let setLock: UInt64 = 6  // F_SETLK
        let (forReading, forWriting): (Int16, Int16) = (0, 1)
        // struct flock: type, whence, start, length, pid.
        var bytes = plainBytes(of: lock.isWrite ? forWriting : forReading) + [UInt8](repeating: 0, count: 6)
        bytes += plainBytes(of: lock.start) + plainBytes(of: lock.length) + [UInt8](repeating: 0, count: 8)
        try process.remote.call(.fcntl, [UInt64(number), setLock], passing: bytes, at: 2, on: process.leader)
    }

    private func passSharedMemory() throws(KernelError) -> [Int: Int32] {
        var numbers: [Int: Int32] = [:]
        for area in image.memory.areas {
            guard case .shared(let index) = area.content, numbers[index] == nil else { continue }
            numbers[index] = try context.withSharedMemory(index) { memory throws(KernelError) in try pass(memory) }
        }
        return numbers
    }

    private enum CloseOnExec { static let flag: UInt64 = 0o2000000 }

    /// Puts into epoll sets what they watch: by now every descriptor has its number.
    func restorePollSets() throws(KernelError) {
        let add: UInt64 = 1  // EPOLL_CTL_ADD
        for descriptor in image.descriptors {
            guard case .pollSet(let set) = context.tree.descriptions[descriptor.description].kind,
                context.claimPollSet(descriptor.description)
            else { continue }
            for entry in set.entries {
                // What was closed in this process but lives on elsewhere is watched under a number that says nothing here.
                try process.remote.call(
                    .epoll_ctl, [UInt64(descriptor.number), add, UInt64(entry.descriptor)],
                    passing: PollSets.eventBytes(entry), at: 3, on: process.leader, mayFail: true)
            }
        }
    }

    // MARK: The process

    /// Working directory, root, and what is neither memory nor descriptor.
    func restoreAttributes() throws(KernelError) {
        for (path, call) in [(image.rootDirectory, SystemCall.chroot), (image.workingDirectory, .fchdir)] {
            if call == .chroot && path == "/" { continue }
            let folder = try context.root.open(
                try FilePath(validating: path), [.directory, .pathOnly], resolving: .inRoot)
            let number = UInt64(try pass(folder))
            try process.call(.fchdir, [number])
            if call == .chroot {
                try process.remote.call(.chroot, [], passing: [UInt8(ascii: "."), 0], at: 0, on: process.leader)
            }
            try process.call(.close, [number])
        }
        try process.call(.umask, [UInt64(image.attributes.umask)])
        try process.call(.personality, [image.attributes.personality])
        try process.call(.prctl, [Control.setTimerSlack, image.attributes.timerSlack])
        if image.attributes.isWithoutHugePages { try process.call(.prctl, [Control.setHugePagesOff, 1, 0, 0, 0]) }
        if image.attributes.isChildSubreaper { try process.call(.prctl, [Control.setChildSubreaper, 1]) }
        try set("oom_score_adj", "\(image.attributes.outOfMemoryScore)", as: "\(image.attributes.outOfMemoryScore)")
        try set("coredump_filter", "0x" + image.attributes.coreDumpFilter, as: image.attributes.coreDumpFilter)
    }

    /// Writes a setting that the process has inherited from the engine, unless it is the same.
    private func set(_ file: String, _ value: String, as shown: String) throws(KernelError) {
        let inherited = try ProcFS.read("/proc/self/\(file)").filter { !$0.isWhitespace }
        if inherited != shown { try ProcFS.write(value, to: "/proc/\(process.remote.pid)/\(file)") }
    }

    /// Makes the other threads, which share everything with the leader.
    func restoreThreads() throws(KernelError) {
        // CLONE_VM, FS, FILES, SIGHAND, THREAD, SYSVSEM
        let flags: UInt64 = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000
        for thread in image.threads.dropFirst() {
            let (made, _) = try CloneArguments(flags: flags, pid: thread.id).make(
                by: process.remote, on: process.leader)
            process.threads.append(made)
        }
    }

    /// Timers, the sandbox's filter, and per thread what it registers with the kernel and who it is. From here on the process can
    /// do no more than it could.
    func restoreThreadState(filter: [UInt8]) throws(KernelError) {
        try POSIXTimers.restore(image.timers.posix, process.remote, on: process.leader)
        try setLimits()
        try install(filter)
        for (thread, state) in zip(process.threads, image.threads) {
            try ThreadRestore(thread: thread, image: state, process: process).register()
            try CredentialRestore(thread: thread, remote: process.remote, image: image.credentials).apply()
        }
        // A change of ids has cleared both (prctl(2)).
        try process.call(.prctl, [Control.setDumpable, image.attributes.isDumpable == 1 ? 1 : 0])
        if image.attributes.parentDeathSignal != 0 {
            try process.call(.prctl, [Control.setParentDeathSignal, UInt64(image.attributes.parentDeathSignal)])
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
    private func install(_ filter: [UInt8]) throws(KernelError) {
        let (setFilter, allThreads): (UInt64, UInt64) = (1, 1)
        var batch = CallBatch(process.remote, on: process.leader)
        let instructions = try batch.place(filter)
        let program = plainBytes(of: UInt64(filter.count / 8)) + plainBytes(of: instructions)
        let place = try batch.place(program)
        try batch.add(.seccomp, [setFilter, allThreads, place])
        try batch.finish()
    }

    /// Takes back what the ends and stops of restored children have sent: the process was told of them before its capture.
    ///
    /// - Parameter children: those of whose stop `wait` is to tell nothing.
    func forgetNews(ofStopped children: [Int32]) throws(KernelError) {
        let stoppedNoHang: UInt64 = 2 | 1
        for child in children { try process.call(.wait4, [UInt64(child), 0, stoppedNoHang, 0]) }
        let (childSignal, size) = (17, 32)
        var batch = CallBatch(process.remote, on: process.leader)
        // The default action is to ignore it, and to set that discards what is pending (sigaction(2)).
        let actions = try batch.place([
            [UInt8](repeating: 0, count: size),
            Array(image.signalActions.bytes[((childSignal - 1) * size)..<(childSignal * size)]),
        ])
        for action in actions { try batch.add(.rt_sigaction, [UInt64(childSignal), action, 0, 8]) }
        try batch.finish()
    }

    /// The last touches: pending signals, running timers, registers. `release` lets it run.
    func finish() throws(KernelError) {
        try startIntervalTimers()
        for info in image.pendingSignals {
            let signal = UInt64(info.bytes[0])
            try process.remote.call(
                .rt_sigqueueinfo, [UInt64(image.pid), signal], passing: info.bytes, at: 2, on: process.leader,
                mayFail: true)
        }
        for (thread, state) in zip(process.threads, image.threads) {
            try ThreadRestore(thread: thread, image: state, process: process).queuePendingSignals()
        }
        try process.call(.close, [process.channelNumber])
        try process.remote.removeSite(on: process.leader)
        for (thread, state) in zip(process.threads, image.threads) {
            try ThreadRestore(thread: thread, image: state, process: process).setRegisters()
        }
    }

    private func startIntervalTimers() throws(KernelError) {
        let size = 32
        for timer in 0..<3 {
            // struct itimerval: the interval, then the time that is left.
            var setting = Array(image.timers.intervals.bytes[(timer * size)..<((timer + 1) * size)])
            if setting.allSatisfy({ $0 == 0 }) { continue }
            // Nothing is left of one that repeats while its signal is pending (kernel/signal.c, dequeue_signal, sets it again).
            if setting[(size / 2)...].allSatisfy({ $0 == 0 }) {
                setting.replaceSubrange((size / 2)..., with: setting[..<(size / 2)])
            }
            try process.remote.call(.setitimer, [UInt64(timer), 0], passing: setting, at: 1, on: process.leader)
        }
    }
}
