import Checkpoint
import Kernel
import Synchronization

/// What tells the processes of one exec, or of one long-lived process, from all others in a sandbox, whatever they do: fork
/// twice, start a session, ignore signals, change their environment, or outlive the command that started them.
///
/// It is the value of RLIMIT_LOCKS, which every descendant inherits and which the kernel has not looked at since 2.4
/// (getrlimit(2)). Only a process that sets that very limit can shed the mark; it stays in its sandbox all the same.
struct ExecMark: Sendable, Hashable {
    let rawValue: UInt64

    /// The upper half is the engine's own, by chance: restored processes bring the marks of the engine that started them,
    /// and none may equal one that is given here. Below "unlimited", which is all ones.
    private static let engine = UInt64(UInt32.random(in: 1...UInt32(Int32.max))) << 32
    private static let next = Atomic<UInt64>(1)

    init() { rawValue = Self.engine | Self.next.wrappingAdd(1, ordering: .relaxed).oldValue & 0xffff_ffff }

    /// The mark of a process that was captured.
    init(rawValue: UInt64) { self.rawValue = rawValue }

    /// That of a capture's copies of memory, which are in the sandbox for a moment.
    static let ofCopies = ExecMark(rawValue: RuntimeCapture.copyMark)

    /// Whether a `/proc/PID/limits` shows this mark.
    func appears(inLimits text: String) -> Bool { ExecMark(inLimits: text) == self }

    /// The mark that a `/proc/PID/limits` shows; nil when there is none.
    init?(inLimits text: String) {
        guard let line = text.lines.first(where: { $0.hasPrefix(bytes: "Max file locks") }),
            let word = line.words.dropFirst(3).first, let value = UInt64(word)
        else { return nil }
        rawValue = value
    }
}
