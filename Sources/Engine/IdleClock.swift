import Kernel
import Sandbox
import Synchronization

/// Hibernates or destroys sandboxes that nobody has asked for anything for longer than their `timeoutSec`.
final class IdleClock: Sendable {
    private struct Entry {
        var timeout: Duration?
        var lastUse: ContinuousClock.Instant
        var requestsRunning = 0
        var watcher: Task<Void, Never>?
    }

    private let manager: SandboxManager
    private let order: SandboxOrder
    private let entries = Mutex<[String: Entry]>([:])

    init(manager: SandboxManager, order: SandboxOrder) {
        self.manager = manager
        self.order = order
    }

    /// Sets or changes a sandbox's timeout; 0 seconds for none. Its clock starts anew.
    func set(_ id: String, timeoutSec: Int) {
        entries.withLock { entries in
            var entry = entries[id] ?? Entry(lastUse: .now)
            entry.watcher?.cancel()
            entry.timeout = timeoutSec > 0 ? .seconds(timeoutSec) : nil
            entry.lastUse = .now
            entry.watcher = entry.timeout == nil ? nil : Task { [weak self] in await self?.watch(id) }
            entries[id] = entry
        }
    }

    func forget(_ id: String) {
        entries.withLock { entries in
            entries.removeValue(forKey: id)?.watcher?.cancel()
        }
    }

    /// Requests are counted without a timeout too: one may be set while they run.
    func requestBegan(_ id: String) {
        entries.withLock { entries in
            entries[id, default: Entry(lastUse: .now)].requestsRunning += 1
        }
    }

    func requestEnded(_ id: String) {
        change(id) { $0.requestsRunning -= 1 }
        entries.withLock { entries in
            if let entry = entries[id], entry.timeout == nil, entry.requestsRunning <= 0 { entries[id] = nil }
        }
    }

    private func change(_ id: String, _ body: (inout Entry) -> Void) {
        entries.withLock { entries in
            guard var entry = entries[id] else { return }
            body(&entry)
            entry.lastUse = .now
            entries[id] = entry
        }
    }

    /// Sleeps until the sandbox has been idle for its timeout, acts, and goes on for what was hibernated or not possible.
    private func watch(_ id: String) async {
        while !Task.isCancelled {
            guard let rest = restOfPatience(id) else { return }
            if rest > .zero {
                do { try await Task.sleep(for: rest) } catch { return }
                continue
            }
            let ticket = order.draw(id, .exclusive)
            await ticket.turn()
            if restOfPatience(id) == .zero { await act(id) }
            ticket.finish()
            // What could not be put away (a process runs in it) is tried again after another timeout.
            change(id) { _ in }
        }
    }

    /// Nil when there is no timeout any more; zero when it is over.
    private func restOfPatience(_ id: String) -> Duration? {
        entries.withLock { entries in
            guard let entry = entries[id], let timeout = entry.timeout else { return nil }
            if entry.requestsRunning > 0 { return timeout }
            return max(.zero, timeout - (ContinuousClock.now - entry.lastUse))
        }
    }

    private func act(_ id: String) async {
        let manager = manager
        do {
            let isGone = try await BlockingWork.run {
                let sandbox = try manager.sandbox(id)
                guard sandbox.status == .running else { return false }
                switch sandbox.describe().config.onTimeout {
                case .hibernate: try manager.hibernate(sandbox)
                case .destroy: _ = try manager.destroy(sandbox)
                }
                return sandbox.status == .destroyed
            }
            if isGone { forget(id) }
        } catch {
            Log.write("sandbox \(id) is idle but stays: \(error)")
        }
    }
}
