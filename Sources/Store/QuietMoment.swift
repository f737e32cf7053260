import Kernel

/// A moment when nobody was in the midst of changing a tree's files, by which it can be told later what has been changed since.
///
/// The kernel sets the time of a file's last change when a change begins: a system call that writes, or the first write to a clean
/// page of a shared mapping. So what bears an earlier time is as it was then, but for what was mapped then already: a page that is
/// dirty is written without anybody noticing.
public struct QuietMoment: Sendable {
    /// By how much the time of a change may lie before it: filesystems round down.
    private static let granularity: Int64 = 20_000_000  // nanoseconds: two ticks of the slowest kernel
    private static let second: Int64 = 1_000_000_000

    private let time: FileTime
    /// How often the wall clock had been set by then.
    private let clockChanges: UInt64
    private let mapped: Set<FileIdentity>

    /// - Parameter mapped: files that were mapped, and shared.
    init(_ clock: ClockChanges, mapped: Set<FileIdentity>) throws(KernelError) {
        clockChanges = try clock.count()
        time = .nowForFiles
        self.mapped = mapped
    }

    /// Whether times that files have got since can be compared with it.
    func isComparable(by clock: ClockChanges) throws(KernelError) -> Bool { try clock.count() == clockChanges }

    /// Whether a file is now as it was then.
    func vouches(for file: FileStatus) -> Bool {
        let changed = file.changed.nanoseconds
        // Filesystems that keep whole seconds only round down farther.
        let isWhole = changed % Self.second == 0
        let limit = time.nanoseconds - (isWhole ? Self.second : Self.granularity)
        return changed < limit && !mapped.contains(file.identity)
    }
}
