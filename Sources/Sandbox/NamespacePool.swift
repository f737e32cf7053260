import Dispatch
import Kernel
import Synchronization

/// A few namespace sets made ahead of need, because making one takes most of the time that creating a sandbox takes
/// (the network namespace alone more than half of it).
final class NamespacePool: Sendable {
    /// Enough for a burst of creates; each costs well below 100 KiB.
    private static let target = 4

    private struct State {
        var ready: [NamespaceSet] = []
        var isFilling = false
        var isClosed = false
    }

    private let ingredients: SandboxIngredients
    private let state = Mutex(State())
    /// Entered while the pool is filled.
    private let filling = DispatchGroup()

    init(_ ingredients: SandboxIngredients) { self.ingredients = ingredients }

    /// A ready set, or a fresh one when none is. The pool fills up again on a thread of its own.
    func take() throws(SandboxError) -> NamespaceSet {
        let ready = state.withLock { $0.ready.popLast() }
        fill()
        if let ready { return ready }
        return try NamespaceSet(ingredients)
    }

    /// Starts to fill the pool up, unless that is under way.
    func fill() {
        let shallStart = state.withLock { state in
            if state.isFilling || state.isClosed || state.ready.count >= Self.target { return false }
            state.isFilling = true
            return true
        }
        if !shallStart { return }
        filling.enter()
        do throws(KernelError) {
            try Thread.start(name: "namespaces") { [self] in
                fillUp()
                filling.leave()
            }
        } catch {
            // Without the thread nothing is made ahead; the next create makes what it needs and reports what fails.
            state.withLock { $0.isFilling = false }
            filling.leave()
        }
    }

    private func fillUp() {
        while true {
            // A set that cannot be made now is made, or its failure reported, by the create that needs it.
            let made = try? NamespaceSet(ingredients)
            let surplus = state.withLock { state -> NamespaceSet? in
                if let made, !state.isClosed { state.ready.append(made) }
                let isDone = made == nil || state.isClosed || state.ready.count >= Self.target
                if isDone { state.isFilling = false }
                return state.isClosed ? made : nil
            }
            surplus?.destroy()
            if !state.withLock({ $0.isFilling }) { return }
        }
    }

    /// Destroys what is ready and waits for what is being made; nothing is made ahead any more.
    func close() {
        let left = state.withLock { state in
            state.isClosed = true
            defer { state.ready = [] }
            return state.ready
        }
        for set in left { set.destroy() }
        filling.wait()
    }
}
