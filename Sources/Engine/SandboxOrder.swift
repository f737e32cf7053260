import Synchronization

/// Keeps requests that touch one sandbox in the order in which they were sent, as far as that matters.
///
/// Tickets are drawn synchronously by the reader of messages, so their order is the client's.
final class SandboxOrder: Sendable {
    enum Kind {
        /// Changes the sandbox's lifecycle: waits for everything drawn before but `following`, and everything waits for it.
        case exclusive
        /// Uses the sandbox's files from outside: waits for exclusive ones, and exclusive ones wait for it.
        case shared
        /// Waits for exclusive ones; nobody waits for it. An exec may run as long as it likes.
        case following
    }

    private struct Line {
        var exclusive: Gate?
        var shared: [Gate] = []
    }

    private let lines = Mutex<[String: Line]>([:])

    /// Draws a ticket for the sandbox. It must be finished, whatever becomes of the request.
    func draw(_ sandbox: String, _ kind: Kind) -> Ticket {
        lines.withLock { lines in
            var line = lines[sandbox] ?? Line()
            let own = Gate()
            var before = line.exclusive.map { [$0] } ?? []
            switch kind {
            case .exclusive:
                before += line.shared
                line = Line(exclusive: own)
            case .shared: line.shared.append(own)
            case .following: break
            }
            lines[sandbox] = line
            return Ticket(before: before, own: own) { [weak self] in self?.leave(sandbox, own) }
        }
    }

    private func leave(_ sandbox: String, _ gate: Gate) {
        lines.withLock { lines in
            guard var line = lines[sandbox] else { return }
            if line.exclusive === gate { line.exclusive = nil }
            line.shared.removeAll { $0 === gate }
            lines[sandbox] = line.exclusive == nil && line.shared.isEmpty ? nil : line
        }
    }

    /// A request's place in a sandbox's line.
    struct Ticket: Sendable {
        fileprivate let before: [Gate]
        fileprivate let own: Gate
        fileprivate let leave: @Sendable () -> Void

        /// Waits until it is this request's turn.
        func turn() async {
            for gate in before { await gate.passed() }
        }

        /// Lets those behind go on.
        func finish() {
            leave()
            own.open()
        }
    }
}
