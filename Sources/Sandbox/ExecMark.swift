import Kernel
import Synchronization

/// What tells the processes of one exec from all others in a sandbox, whatever they do: fork twice, start a session,
/// ignore signals, change their environment, or outlive the command that started them.
///
/// It is the value of RLIMIT_LOCKS, which every descendant inherits and which the kernel has not looked at since 2.4
/// (getrlimit(2)). Only a process that sets that very limit can shed the mark; it stays in its sandbox all the same.
struct ExecMark: Sendable, Hashable {
    let rawValue: UInt64

    /// Counts down from below "unlimited"; a mark is unique for the engine's life.
    private static let next = Atomic<UInt64>(1 << 62)

    init() { rawValue = Self.next.wrappingSubtract(1, ordering: .relaxed).newValue }

    /// Whether a `/proc/PID/limits` shows this mark.
    func appears(inLimits text: String) -> Bool {
        guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix("Max file locks") }) else {
            return false
        }
        return line.split(separator: " ").dropFirst(3).first == Substring(String(rawValue))
    }
}
