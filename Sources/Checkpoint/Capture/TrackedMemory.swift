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

    /// Tracks what a held process writes from now on.
    ///
    /// - Returns: nil where the kernel cannot track writes, or the process tracks its own.
    static func begin(
        in process: RemoteProcess, on leader: TracedThread, _ layout: MemoryLayoutImage
    ) throws(KernelError) -> TrackedMemory? {
        guard let tracked = try make(by: process, on: leader),
            (try? tracked.takeWrites(of: process.pid, in: layout)) != nil
        else { return nil }
        return tracked
    }

    /// Has a held process make its tracker.
    private static func make(
        by process: RemoteProcess, on leader: TracedThread
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
            return TrackedMemory(
                try WriteTracker(takingOver: descriptor), startTime: try startTime(of: process.pid))
        } catch let error where error.errno == .invalid {
            return nil
        }
    }

    private static func startTime(of process: Int32) throws(KernelError) -> UInt64 {
        ProcessStatistics(try ProcFS.read("/proc/\(process)/stat")).startTime
    }

    func isOf(_ process: Int32) throws(KernelError) -> Bool { try Self.startTime(of: process) == startTime }

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
