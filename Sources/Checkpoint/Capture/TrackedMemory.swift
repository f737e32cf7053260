import Kernel

/// A captured process whose writes are tracked, so that the next capture copies only what has changed since this one.
final class TrackedMemory: Sendable {
    /// In bytes: what is less is copied whole, which takes no longer.
    static let leastMemory: UInt64 = 4 << 20

    /// In clock ticks since the machine started: with its number, what tells a process from a later one.
    private let startTime: UInt64
    private let tracker: WriteTracker

    private init(_ tracker: consuming WriteTracker, startTime: UInt64) {
        self.tracker = tracker
        self.startTime = startTime
    }

    /// Has a held process make its tracker.
    ///
    /// - Returns: nil where the kernel cannot track writes, or the process tracks its own.
    static func begin(
        in process: RemoteProcess, on leader: TracedThread, startTime: UInt64
    ) throws(KernelError) -> TrackedMemory? {
        if !WriteTracker.isReliable { return nil }
        let number = try process.call(.userfaultfd, [WriteTracker.descriptorFlags], on: leader, mayFail: true)
        // Without a free descriptor, for instance, its memory is copied whole.
        if number.errno != nil { return nil }
        let descriptor: OwnedFD
        do throws(KernelError) {
            descriptor = try PidFD(opening: process.pid).duplicateDescriptor(Int32(number))
        } catch {
            // The first failure is the one to tell.
            _ = try? process.call(.close, [UInt64(number)], on: leader)
            throw error
        }
        try process.call(.close, [UInt64(number)], on: leader)
        do throws(KernelError) {
            return TrackedMemory(try WriteTracker(takingOver: descriptor), startTime: startTime)
        } catch let error where error.errno == .invalid {
            return nil
        }
    }

    /// Tracks a restored process, whose memory is as it was captured, from its first moment on.
    ///
    /// - Returns: nil where that cannot be had.
    static func begin(in process: RestoringProcess) throws(KernelError) -> TrackedMemory? {
        let pid = process.remote.pid
        let startTime = ProcessStatistics(try ProcFS.read("/proc/\(pid)/stat")).startTime
        guard let tracked = try begin(in: process.remote, on: process.leader, startTime: startTime),
            (try? tracked.takeWrites(of: pid, in: process.image.memory)) != nil
        else { return nil }
        return tracked
    }

    func isOf(startTime: UInt64) -> Bool { self.startTime == startTime }

    /// The pages of a held process that were written since the last call, all those with content the first time. From now on they are
    /// tracked again.
    ///
    /// - Throws: ENOMEM when the process has executed another program since tracking began.
    func takeWrites(of process: Int32, in layout: MemoryLayoutImage) throws(KernelError) -> PageSet {
        let map = try PageMap(of: process)
        var written: [Range<UInt64>] = []
        for area in layout.areas where area.isPrivate {
            let range = area.start..<area.end
            // A file's area that cannot be written now is small or has no pages; what of it is untracked counts as written.
            if area.isWritable || area.content == .anonymous { try tracker.add(range) }
            written += try map.takeWrites(in: range)
        }
        return PageSet(written)
    }
}
