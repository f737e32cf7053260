import JSON
import JSONRPC
import Kernel
import Protocol
import Synchronization

/// One client's conversation: which requests are accepted, which run, and their answers.
///
/// `receive` is called by the reader, message after message; all ordering is fixed there, before anything runs.
final class Session: Sendable {
    /// How many requests may run at once. Beyond it, new ones are refused: each holds memory and descriptors.
    static let maxRunningRequests = 16_384

    enum Phase {
        case uninitialized, initializing, ready, shutDown
    }

    private struct State {
        var phase = Phase.uninitialized
        var running: [RequestID: Task<Void, Never>] = [:]
        var runtime: EngineRuntime?
        /// Open once `initialize` was carried out.
        var initialization = Gate()
    }

    let writer: MessageWriter
    let launch: Launch
    let loop: EventLoop
    let defaultStore: String
    let order = SandboxOrder()
    let started = ContinuousClock.now
    private let onExit: @Sendable () -> Void
    private let state = Mutex(State())

    /// - Parameters:
    ///   - defaultStore: the store's path unless `initialize` names another one.
    ///   - onExit: called when the client says `exit`.
    init(
        writer: MessageWriter, launch: Launch, loop: EventLoop, defaultStore: String,
        onExit: @escaping @Sendable () -> Void
    ) {
        self.writer = writer
        self.launch = launch
        self.loop = loop
        self.defaultStore = defaultStore
        self.onExit = onExit
    }

    var runtime: EngineRuntime? { state.withLock { $0.runtime } }
    var runningRequests: Int { state.withLock { $0.running.count } }
    /// Whether `shutdown` was asked for; it decides about the exit code.
    var isShutDown: Bool { state.withLock { $0.phase == .shutDown } }

    // MARK: Messages

    func receive(_ body: [UInt8]) {
        do throws(EnvelopeError) {
            switch try IncomingMessage(body: body) {
            case .request(let id, let method, let params): begin(id, method, params)
            case .notification(let method, let params): notify(method, params)
            case .response: break  // The engine asks nothing, so there is nothing to be answered.
            }
        } catch {
            switch error.recipient {
            case .request(let id): writer.send(ProtocolError(error).response(to: id))
            case .unknown: writer.send(ProtocolError(error).response(to: nil))
            case .nobody: Log.write("a notification was ignored: \(error)")
            }
        }
    }

    /// A message that was too large to be read.
    func refuseOversized(length: Int) {
        writer.send(ProtocolError.messageTooLarge(length: length).response(to: nil))
    }

    private func notify(_ method: String, _ params: [String: JSONValue]) {
        switch method {
        case Exit.method: onExit()
        case CancelRequest.method:
            guard let id = params["id"].flatMap(RequestID.init) else {
                return Log.write("$/cancelRequest without an id")
            }
            state.withLock { $0.running[id] }?.cancel()
        default: break  // As LSP has it: unknown notifications are ignored.
        }
    }

    // MARK: Requests

    private func begin(_ id: RequestID, _ method: String, _ params: [String: JSONValue]) {
        do throws(ProtocolError) {
            let handler = try admit(id, method)
            let isInitialize = method == Initialize.method
            // What was sent behind `initialize`, without waiting for its answer, waits for it here.
            let initialization = state.withLock { $0.initialization }
            let sandbox = handler.sandboxID(in: params)
            let ticket = sandbox.map { order.draw($0, handler.orderKind) }
            let turn = RequestTurn(
                handler.processKey(in: params).map { order.draw($0, .exclusive) }, onSandbox: ticket)
            // The task waits for the lock that it was registered under, so it cannot end before it is known.
            state.withLock { state in
                state.running[id] = Task { [self] in
                    if !isInitialize { await initialization.passed() }
                    await turn.come()
                    let answer = await run(handler, params, sandbox, id, turn)
                    turn.pass()
                    turn.passSandbox()
                    forget(id)
                    writer.send(answer)
                    turn.answered()
                }
            }
        } catch {
            writer.send(error.response(to: id))
        }
    }

    private func forget(_ id: RequestID) {
        state.withLock { _ = $0.running.removeValue(forKey: id) }
    }

    private func admit(_ id: RequestID, _ method: String) throws(ProtocolError) -> any RequestHandler.Type {
        let (phase, isKnown, count) = state.withLock { ($0.phase, $0.running[id] != nil, $0.running.count) }
        if isKnown { throw .invalidRequest("a request with the id \(id) is still running; ids must be unique") }
        if phase == .shutDown { throw .invalidRequest("after `shutdown` only `exit` is accepted, not `\(method)`") }
        let handler = MethodTable.handlers[method]
        if method == Initialize.method { try beginInitialization() }
        if phase == .uninitialized, method != Initialize.method { throw .serverNotInitialized(method: method) }
        guard let handler else { throw .methodNotFound(method) }
        if count >= Self.maxRunningRequests {
            throw .limitExceeded(
                limit: "requests", "\(count) requests are running already; wait for answers before sending more")
        }
        return handler
    }

    private func run(
        _ handler: any RequestHandler.Type, _ params: [String: JSONValue], _ sandbox: String?, _ id: RequestID,
        _ turn: RequestTurn
    ) async -> OutgoingMessage {
        if let sandbox { runtime?.idle.requestBegan(sandbox) }
        defer { if let sandbox { runtime?.idle.requestEnded(sandbox) } }
        do {
            if Task.isCancelled { throw CancellationError() }
            if runtime == nil, handler.method != Initialize.method {
                throw ProtocolError.serverNotInitialized(method: handler.method)
            }
            return .result(id: id, try await handler.run(params, self, id, turn))
        } catch {
            // It may be tried again, with other params or another store.
            if handler.method == Initialize.method { endInitialization(nil) }
            return ErrorTranslation.protocolError(for: error).response(to: id)
        }
    }

    // MARK: Phases

    /// - Throws: when `initialize` came before.
    private func beginInitialization() throws(ProtocolError) {
        let isFirst = state.withLock { state in
            if state.phase != .uninitialized { return false }
            state.phase = .initializing
            return true
        }
        if !isFirst { throw .invalidRequest("`initialize` may be sent only once") }
    }

    /// - Parameter runtime: nil when initialization failed; it may be tried again.
    func endInitialization(_ runtime: EngineRuntime?) {
        runtime?.manager.onStatusChange { [weak self] id, status, reason in
            self?.writer.send(
                SandboxStatusChanged(sandboxID: id, status: .init(status), reason: reason).message)
        }
        runtime?.manager.onLimitReached { [weak self] id, limit in
            self?.writer.send(SandboxLimitReached(sandboxID: id, limit: .init(limit)).message)
        }
        runtime?.manager.onDurability { [weak self] snapshot, failure in
            self?.writer.send(
                SnapshotDurability(snapshotID: snapshot, isDurable: failure == nil, reason: failure).message)
        }
        state.withLock { state in
            state.runtime = runtime
            state.phase = runtime == nil ? .uninitialized : .ready
            state.initialization.open()
            if runtime == nil { state.initialization = Gate() }
        }
    }

    /// Refuses what comes from now on, cancels what runs but the request given, and waits for it.
    func stopRequests(except id: RequestID? = nil, isShutdown: Bool) async {
        let running = state.withLock { state in
            if isShutdown { state.phase = .shutDown }
            return state.running.filter { $0.key != id }.map(\.value)
        }
        for task in running { task.cancel() }
        for task in running { await task.value }
    }

    /// Destroys running sandboxes. Again is harmless.
    func destroySandboxes() {
        state.withLock { $0.runtime }?.manager.shutDown()
    }
}

extension RequestHandler {
    /// The sandbox that a request is about, before its params are decoded: the order must be fixed by then.
    fileprivate static func sandboxID(in params: [String: JSONValue]) -> String? {
        Request.sandboxField.flatMap { params[$0]?.stringValue }
    }

    /// What a request on a process is put in order by.
    fileprivate static func processKey(in params: [String: JSONValue]) -> String? {
        guard let sandbox = sandboxID(in: params),
            let process = Request.orderedProcessField.flatMap({ params[$0]?.stringValue })
        else { return nil }
        return "\(sandbox)/\(process)"
    }

    fileprivate static var orderKind: SandboxOrder.Kind {
        if Request.isLifecycleOperation { return .exclusive }
        // A snapshot that is sent behind a start has the process in it.
        return method.hasPrefix("fs/") || method == ProcessStart.method ? .shared : .following
    }
}
