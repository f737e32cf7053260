import Glibc
import Kernel

/// A copy-on-write sibling of a captured process that never runs: it keeps the memory of one moment, while the captured process
/// goes on. It is gone with the value.
///
/// Belongs to the tracing thread.
final class FrozenMemory {
    private static let sharedMemoryFlag: UInt64 = 0x100  // CLONE_VM
    private static let waitForAll: UInt64 = 0x4000_0000  // __WALL
    /// RLIMIT_LOCKS of copies, which tells them from the sandbox's own processes.
    static let mark: UInt64 = 1
    private static let reapingPatience = Duration.seconds(1)

    private let thread: TracedThread
    /// Inherited like all memory, and not withdrawn as from the process itself.
    private let site: CallSite?
    /// A copy that was made before and is of no use: it ends with this one, because nobody reaps it while the sandbox stands still.
    private let former: FrozenMemory?
    /// In the engine's numbering.
    var pid: Int32 { thread.id }

    /// Forks by way of a helper that ends at once, so that the copy is the child of the sandbox's first process, which reaps it,
    /// and the captured process never learns of it.
    init(
        forkedFrom process: RemoteProcess, on leader: TracedThread, insteadOf former: FrozenMemory? = nil
    ) throws(KernelError) {
        site = process.site
        self.former = former
        try leader.followMaking()
        let (helper, number) = try Self.make(process, on: leader, flags: Self.sharedMemoryFlag)
        do throws(KernelError) {
            try LockLimit.set(Self.mark, of: helper.id)
            // The copy must not hold open what the captured process closes: a port, the end of a pipe.
            let closing = RemoteCall(call: .close_range, arguments: [0, UInt64(UInt32.max), 0], mayFail: false)
            (thread, _) = try Self.make(process, on: helper, flags: 0, after: [closing])
        } catch {
            helper.kill()
            throw error
        }
        helper.kill()
        // The helper's exit signal is 0: the process itself is not told of its end and must not find it later.
        try process.call(.wait4, [number, 0, Self.waitForAll, 0], on: leader)
    }

    /// Calls of the copy itself.
    private func calls() throws(KernelError) -> CallBatch {
        let remote = try RemoteProcess(pid)
        remote.site = site
        return CallBatch(remote, on: thread)
    }

    /// Programs count who is attached to a segment (shmctl(2), shm_nattch): the copy is not to be among them.
    ///
    /// - Parameter layout: learns what the process may do with them, which the copy could not tell later.
    func detachSegments(_ layout: inout MemoryLayoutImage) throws(KernelError) {
        let areas = layout.areas.filter { if case .segment = $0.content { true } else { false } }
        if areas.isEmpty { return }
        try MemoryAdvice.read(of: pid, into: &layout)
        var batch = try calls()
        for area in areas { try batch.add(.munmap, [area.start, area.size]) }
        try batch.finish()
    }

    /// Brings in what lies in files that nobody else can read, and empties what every copy is to find empty.
    func complete(_ layout: MemoryLayoutImage) throws(KernelError) {
        let (populate, dontNeed): (UInt64, UInt64) = (22, 4)  // MADV_POPULATE_READ, MADV_DONTNEED
        var batch = try calls()
        for area in layout.areas where area.content == .deletedFile {
            // What lies behind the end of the file is not there, and ends the call.
            try batch.add(.madvise, [area.start, area.size, populate], mayFail: true)
        }
        for area in layout.areas where area.advice.contains(.droppable) {
            try batch.add(.madvise, [area.start, area.size, dontNeed])
        }
        try batch.finish()
    }

    /// Adds the advice that the process gave about its memory. By way of a fork without the content of large areas, where there are
    /// any: to tell of one whose pages have several owners takes 5 ms for each GiB.
    func readAdvice(into layout: inout MemoryLayoutImage) throws(KernelError) {
        let large = try largeAreas(of: layout)
        if large.isEmpty { return try MemoryAdvice.read(of: pid, into: &layout) }
        var calls = try calls()
        for index in large {
            try calls.add(.madvise, [layout.areas[index].start, layout.areas[index].size, MemoryAdvice.wipeOnFork])
        }
        try calls.add(.clone, [0, 0, 0, 0, 0])
        let number = UInt64(try calls.finish().last ?? 0)
        let light = calls.made[0]
        defer { light.kill() }
        try MemoryAdvice.read(of: light.id, into: &layout)
        for index in large {
            layout.areas[index].advice.remove(.wipedOnFork)
            try calls.add(.madvise, [layout.areas[index].start, layout.areas[index].size, MemoryAdvice.keepOnFork])
        }
        light.kill()
        try calls.add(.wait4, [number, 0, Self.waitForAll, 0])
        try calls.finish()
    }

    /// Areas with so much content that it is worth leaving out, those that are known to be wiped in forks excepted.
    private func largeAreas(of layout: MemoryLayoutImage) throws(KernelError) -> [Int] {
        let leastContent: UInt64 = 16 << 20
        let pages = try PageMap(of: pid)
        var large: [Int] = []
        for (index, area) in layout.areas.enumerated()
        where area.content == .anonymous && area.size >= leastContent && !area.advice.contains(.wipedOnFork) {
            if PageSet(try pages.ownPages(in: area.range)).size >= leastContent { large.append(index) }
        }
        return large
    }

    /// - Returns: the new process, held, and its number inside the sandbox.
    private static func make(
        _ process: RemoteProcess, on thread: TracedThread, flags: UInt64, after calls: [RemoteCall] = []
    ) throws(KernelError) -> (TracedThread, UInt64) {
        var made: TracedThread?
        let calls = calls + [RemoteCall(call: .clone, arguments: [flags, 0, 0, 0, 0], mayFail: false)]
        let results = try process.run(calls, on: thread) { made = $0 }
        guard let made else { throw KernelError("clone", "in process \(process.pid)", errno: .noSuchProcess) }
        return (made, UInt64(bitPattern: results[calls.count - 1]))
    }

    /// Waits for the sandbox's first process to reap the copy, which the next capture would otherwise find as a zombie.
    deinit {
        thread.kill()
        let deadline = ContinuousClock.now + Self.reapingPatience
        while (try? ProcessStatus.read(of: pid)) != nil, ContinuousClock.now < deadline { usleep(500) }
    }
}
