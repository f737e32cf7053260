import Dispatch
import Kernel
import Synchronization

/// The way out of one incarnation of a sandbox: pasta, and the rules if there are any.
///
/// It is made beside everything else that a sandbox needs; whoever wants to use it waits for it. A start that failed is tried
/// again by the next one who wants it, and so, without rules, is one whose pasta has ended.
final class Uplink: Sendable {
    typealias Waiter = @Sendable (SandboxError?) -> Void

    private enum Phase {
        case starting([Waiter])
        case up
        case failed
        case ended
    }

    private struct State {
        var phase = Phase.failed
        var pasta: Pasta?
        var relay: NameRelay?
    }

    private let network: SandboxNetwork
    private let process: InitProcess
    private let filter: PacketFilter?
    private let loop: EventLoop
    private let state = Mutex(State())
    /// Entered while a start is under way.
    private let starting = DispatchGroup()

    /// Begins to start it.
    init(_ network: SandboxNetwork, of process: InitProcess, loop: EventLoop) {
        self.network = network
        self.process = process
        self.loop = loop
        filter = network.hasRules ? PacketFilter(network, of: process) : nil
        whenReady { _ in }
    }

    /// Which name server the sandbox shall ask.
    static func nameServer(of network: SandboxNetwork) -> String? {
        switch network.mode {
        case .none: nil
        case .nat: network.hasRules ? InsideAddress.nameRelay : InsideAddress.nameServer
        }
    }

    /// Calls back once connections can be made, or with why not. When the sandbox ends meanwhile, that shows otherwise.
    func whenReady(_ waiter: @escaping Waiter) {
        let (isOver, shallStart) = state.withLock { state in
            switch state.phase {
            case .ended: return (true, false)
            // With rules none is tried again: what runs could send before they hold at the new device.
            case .up where filter != nil || state.pasta?.hasEnded == false: return (true, false)
            case .starting(let waiters):
                state.phase = .starting(waiters + [waiter])
                return (false, false)
            case .up, .failed:
                state.phase = .starting([waiter])
                starting.enter()
                return (false, true)
            }
        }
        if isOver { return waiter(nil) }
        if !shallStart { return }
        do throws(KernelError) {
            try Thread.start(name: "network") { [self] in
                var failure: SandboxError?
                do throws(SandboxError) { try start() } catch { failure = error }
                settle(failure)
            }
        } catch {
            settle(.kernel(error))
        }
    }

    /// As above; blocks.
    func waitUntilReady() throws(SandboxError) {
        let outcome = Promise<SandboxError?>()
        whenReady { outcome.fulfil($0) }
        if let failure = outcome.wait() { throw failure }
    }

    /// Waits until no start is under way.
    func settle() { starting.wait() }

    /// Ends pasta, and with it all connections.
    func end() {
        let (waiters, pasta, relay) = state.withLock { state -> ([Waiter], Pasta?, NameRelay?) in
            var waiters: [Waiter] = []
            if case .starting(let some) = state.phase { waiters = some }
            state.phase = .ended
            return (waiters, state.pasta.take(), state.relay.take())
        }
        for waiter in waiters { waiter(nil) }
        pasta?.end()
        relay?.end()
        starting.wait()
    }

    // MARK: The start

    private func settle(_ failure: SandboxError?) {
        let waiters = state.withLock { state -> [Waiter] in
            guard case .starting(let waiters) = state.phase else { return [] }
            state.phase = failure == nil ? .up : .failed
            return waiters
        }
        starting.leave()
        for waiter in waiters { waiter(failure) }
    }

    private func start() throws(SandboxError) {
        if let obstacle = network.obstacle { throw obstacle.error }
        if let filter, state.withLock({ $0.relay == nil }) {
            try filter.install()
            let relay = try NameRelay(filter, network, of: process, loop: loop)
            if !keep({ $0.relay = relay }) { return relay.end() }
        }
        let pasta = try Pasta(for: process.pid, resolvesNames: filter == nil)
        if !keep({ $0.pasta = pasta }) { return pasta.end() }
        try pasta.waitUntilReady()
        try filter?.installAtDevice()
    }

    /// Keeps a part, for `end` to end it; false when that has come already.
    private func keep(_ change: (inout State) -> Void) -> Bool {
        state.withLock { state in
            if case .ended = state.phase { return false }
            change(&state)
            return true
        }
    }
}
