import Dispatch
import Kernel
import Synchronization

/// A few things made ahead of need, on a thread of the pool's own, because making one takes most of the time of the request
/// that needs it.
final class ReadyPool<Element: Sendable>: Sendable {
    /// Enough for a burst of creates.
    static var target: Int { 4 }

    private struct State {
        var ready: [Element] = []
        var isFilling = false
        var isClosed = false
    }

    private let name: String
    private let make: @Sendable () throws(SandboxError) -> Element
    private let discard: @Sendable (Element) -> Void
    private let state = Mutex(State())
    /// Entered while the pool is filled.
    private let filling = DispatchGroup()

    /// - Parameters:
    ///   - make: blocks; on failure it leaves nothing behind.
    ///   - discard: for what nobody took.
    init(
        name: String, make: @escaping @Sendable () throws(SandboxError) -> Element,
        discard: @escaping @Sendable (Element) -> Void
    ) {
        self.name = name
        self.make = make
        self.discard = discard
    }

    /// A ready element, or a fresh one when none is. The pool fills up again.
    func take() throws(SandboxError) -> Element {
        let ready = state.withLock { $0.ready.popLast() }
        fill()
        if let ready { return ready }
        return try make()
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
            try Thread.start(name: name) { [self] in
                fillUp()
                filling.leave()
            }
        } catch {
            // Without the thread nothing is made ahead; the next request makes what it needs and reports what fails.
            state.withLock { $0.isFilling = false }
            filling.leave()
        }
    }

    private func fillUp() {
        while true {
            // What cannot be made now is made, or its failure reported, by the request that needs it.
            let made = try? make()
            let surplus = state.withLock { state -> Element? in
                if let made, !state.isClosed { state.ready.append(made) }
                let isDone = made == nil || state.isClosed || state.ready.count >= Self.target
                if isDone { state.isFilling = false }
                return state.isClosed ? made : nil
            }
            if let surplus { discard(surplus) }
            if !state.withLock({ $0.isFilling }) { return }
        }
    }

    /// Discards what is ready and waits for what is being made; nothing is made ahead any more.
    func close() {
        let left = state.withLock { state in
            state.isClosed = true
            defer { state.ready = [] }
            return state.ready
        }
        for element in left { discard(element) }
        filling.wait()
    }
}
