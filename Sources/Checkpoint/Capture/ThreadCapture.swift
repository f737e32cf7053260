import Kernel

/// Captures one thread of a held process.
enum ThreadCapture {
    private static let stackSize = 24
    private static let affinitySize = 128

    /// What ptrace and /proc tell.
    ///
    /// - Parameter wait: the call that the thread waits in, when that is known.
    static func read(
        _ thread: TracedThread, of process: Int32, wait: UInt64?
    ) throws(KernelError) -> ThreadImage {
        let folder = "/proc/\(process)/task/\(thread.id)"
        var registers = try thread.registers()
        try RestartedCall.resolve(&registers, of: process, known: wait)
        let status = try ProcessStatus.read(of: thread.id)
        let robust = try thread.robustList()
        let sequence = try thread.restartableSequence()
        var pending = try thread.pendingSignals(ofProcess: false).map(Blob.init)
        if thread.withheldSignal != 0 { pending.append(Blob(try thread.stoppingSignal())) }
        return ThreadImage(
            id: status?.pids.last ?? thread.id,
            name: String(try ProcFS.read(folder + "/comm").dropLast()),
            registers: Blob(plainBytes(of: registers)),
            extendedState: Blob(try thread.extendedState()), signalMask: try thread.signalMask(),
            pendingSignals: pending, robustListHead: robust.head, robustListLength: robust.length,
            restartableSequence: sequence.address, restartableSequenceSize: sequence.size,
            restartableSequenceSignature: sequence.signature, clearedAtExit: 0, alternateStack: Blob(),
            schedulingPolicy: 0, schedulingPriority: 0,
            nice: ProcessStatistics(try ProcFS.read(folder + "/stat")).nice, transferPriority: 0, affinity: Blob())
    }

    /// What only the thread itself is told.
    static func complete(
        _ image: inout ThreadImage, _ remote: RemoteProcess, on thread: TracedThread
    ) throws(KernelError) {
        var batch = CallBatch(remote, on: thread)
        let stack = try batch.place([UInt8](repeating: 0, count: stackSize))
        let cleared = try batch.place([UInt8](repeating: 0, count: 8))
        let priority = try batch.place([UInt8](repeating: 0, count: 8))
        let affinity = try batch.place([UInt8](repeating: 0, count: affinitySize))
        try batch.add(.sigaltstack, [0, stack])
        try batch.add(.prctl, [Control.getThreadIDAddress, cleared])
        try batch.add(.sched_getscheduler, [0])
        try batch.add(.sched_getparam, [0, priority])
        try batch.add(.sched_getaffinity, [0, UInt64(affinitySize), affinity])
        try batch.add(.ioprio_get, [1, 0])
        let results = try batch.finish()
        image.alternateStack = Blob(try remote.memory.read(stackSize, at: stack))
        image.clearedAtExit = try remote.memory.read(UInt64.self, at: cleared)
        image.schedulingPolicy = Int32(truncatingIfNeeded: results[2])
        image.schedulingPriority = try remote.memory.read(Int32.self, at: priority)
        image.transferPriority = UInt64(bitPattern: results[5])
        image.affinity = Blob(try remote.memory.read(Int(results[4]), at: affinity))
    }
}
