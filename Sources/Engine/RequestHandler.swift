import JSON
import JSONRPC
import Protocol
import Synchronization

/// Carries out one method. Handlers return or throw; only the session answers, exactly once.
protocol RequestHandler: Sendable {
    associatedtype Request: ProtocolRequest

    /// - Throws: any error that `ErrorTranslation` knows.
    static func handle(_ params: Request.Params, _ context: RequestContext) async throws -> Request.Result
}

extension RequestHandler {
    static var method: String { Request.method }

    /// Decodes, handles, encodes; tells of begin and end if the request asks for it.
    static func run(
        _ members: [String: JSONValue], _ session: Session, _ id: RequestID, _ turn: RequestTurn
    ) async throws -> JSONValue {
        let (params, token) = try Request.decode(members)
        let context = RequestContext(session: session, id: id, workDoneToken: token, turn: turn)
        context.report(.begin(title: method))
        defer { context.report(.end()) }
        return try await handle(params, context).json
    }
}

/// What a handler works with.
struct RequestContext: Sendable {
    let session: Session
    let id: RequestID
    let workDoneToken: Token?
    let turn: RequestTurn

    /// Tells how far the request has come, if it asked to be told.
    func report(_ progress: Progress.Value) {
        guard let workDoneToken else { return }
        session.writer.send(Progress(token: workDoneToken, value: progress).message)
    }

    /// What came to life with `initialize`.
    var runtime: EngineRuntime {
        get throws {
            guard let runtime = session.runtime else {
                throw ProtocolError.internalError("a request was let through before `initialize` was answered")
            }
            return runtime
        }
    }
}

/// A request's turn among those on one sandbox and on one process, and what is to happen behind its answer.
final class RequestTurn: Sendable {
    private let sandboxTicket: SandboxOrder.Ticket?
    private let ticket: SandboxOrder.Ticket?
    private let behindAnswer = Mutex<(@Sendable () -> Void)?>(nil)

    /// - Parameters:
    ///   - ticket: among those on one process; nil for a request whose order does not matter.
    ///   - sandboxTicket: nil for a request on no sandbox.
    init(_ ticket: SandboxOrder.Ticket?, onSandbox sandboxTicket: SandboxOrder.Ticket?) {
        self.ticket = ticket
        self.sandboxTicket = sandboxTicket
    }

    func come() async {
        await sandboxTicket?.turn()
        await ticket?.turn()
    }

    /// The request has taken effect: those behind it may go on, although it has no answer yet. Again is harmless.
    func pass() { ticket?.finish() }

    /// As `pass`, for those on the sandbox.
    func passSandbox() { sandboxTicket?.finish() }

    /// Has something done right after the answer was queued.
    func afterAnswer(_ body: @escaping @Sendable () -> Void) { behindAnswer.withLock { $0 = body } }

    func answered() { behindAnswer.withLock { $0.take() }?() }
}
