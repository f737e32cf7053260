import Glibc
import Kernel
import Store
import Synchronization

/// How far something has come, on standard error: a bar on a terminal, else a line for each quarter.
final class ProgressDisplay: Sendable {
    private struct State {
        var phase = ""
        var quarters: Int64 = -1
        var isBarShown = false
    }

    private let name: String
    private let isTerminal = isatty(2) == 1
    private let state = Mutex(State())

    private static let eraseLine = "\r\u{1b}[K"
    private static let barWidth: Int64 = 30

    init(of name: String) { self.name = name }

    /// May be called by any thread.
    func show(_ phase: String, _ progress: ImageProgress) {
        state.withLock { state in
            if phase != state.phase { state = State(phase: phase, isBarShown: state.isBarShown) }
            if isTerminal {
                write(Self.eraseLine + bar(phase, progress))
                state.isBarShown = true
            } else if progress.totalBytes > 0 {
                let quarters = 4 * progress.completedBytes / progress.totalBytes
                if quarters > state.quarters { write(text(phase, progress) + "\n") }
                state.quarters = max(quarters, state.quarters)
            }
        }
    }

    /// Takes the bar away. Again is harmless.
    func end() {
        state.withLock { state in
            if state.isBarShown { write(Self.eraseLine) }
            state.isBarShown = false
        }
    }

    private func bar(_ phase: String, _ progress: ImageProgress) -> String {
        let text = text(phase, progress)
        let total = max(progress.totalBytes, 1)
        let filled = Int(Self.barWidth * min(progress.completedBytes, total) / total)
        let bar = String(repeating: "#", count: filled) + String(repeating: "-", count: Int(Self.barWidth) - filled)
        // A line that is broken could not be erased.
        return text.utf8.count + bar.utf8.count + 4 <= columns ? "\(text)  [\(bar)]" : String(text.prefix(columns - 1))
    }

    private func text(_ phase: String, _ progress: ImageProgress) -> String {
        let share = progress.totalBytes > 0 ? 100 * progress.completedBytes / progress.totalBytes : 0
        return "\(phase) \(name): \(share) % of \(ByteCount(progress.totalBytes))"
    }

    private var columns: Int {
        let standard = 80
        do throws(KernelError) {
            let terminal = OwnedFD(takingOver: try check("dup") { dup(2) })
            let columns = Int(try PseudoTerminal.size(of: terminal).columns)
            return columns > 0 ? columns : standard
        } catch {
            return standard
        }
    }

    private func write(_ text: String) { StandardError.write(Array(text.utf8)) }
}
