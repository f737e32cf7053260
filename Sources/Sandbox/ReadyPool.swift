import Dispatch
import Kernel
import Synchronization

/// A few things made ahead of need, on a thread of the pool's own, because making one takes most of the time of the request
/// that needs it.
final class ReadyPool<Element: Sendable>: Sendable {
    /// Enough for a burst of creates.
    static var target: Int { 4 }
    /// With fewer than that, the pool fills up at once.
    private static var reserve: Int { 2 }
    /// Else when nothing was taken for so long: who has just taken something wants the processors, and the kernel's locks on
    /// mounts, for itself, for a millisecond or two.
    private static var pauseMs: Int { 3 }

    private struct State {
        var ready: [Element] = []
        var lastTaken = ContinuousClock.now
        var isFilling = false
        var isClosed = false
    }

    private let queue: DispatchQueue
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
        queue = DispatchQueue(label: name)
        self.make = make
        self.discard = discard
    }

    /// A ready element, or a fresh one when none is. The pool fills up again.
    func take() throws(SandboxError) -> Element {
        let (ready, left) = state.withLock { state in
            state.lastTaken = .now
            return (state.ready.popLast(), state.ready.count)
        }
        if left < Self.reserve { fill() } else { fillAfterPause() }
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
        queue.async { [self] in
            fillUp()
            filling.leave()
        }
    }

    private func fillAfterPause() {
        queue.asyncAfter(deadline: .now() + .milliseconds(Self.pauseMs)) { [self] in
            let isCalm = state.withLock { ContinuousClock.now - $0.lastTaken >= .milliseconds(Self.pauseMs) }
            // Else whoever took the last one has asked for the same.
            if isCalm { fill() }
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
