import JSON
import JSONRPC

// The errors that JSON-RPC 2.0 and the Language Server Protocol define.
extension ProtocolError {
    /// A body that is no valid message.
    public init(_ envelope: EnvelopeError) {
        let kind: ErrorKind =
            switch envelope.reason {
            case .malformedJSON: .parseError
            case .invalidMessage: .invalidRequest
            case .invalidParams: .invalidParams
            }
        self.init(kind, envelope.description)
    }

    /// A body of `length` bytes that was skipped.
    public static func messageTooLarge(length: Int) -> ProtocolError {
        ProtocolError(
            .invalidRequest,
            "the message is \(length) bytes long and was skipped; the limit is \(TransportLimit.body) bytes")
    }

    /// A request whose id belongs to one that is still running, or that comes after `shutdown`.
    public static func invalidRequest(_ message: String) -> ProtocolError { ProtocolError(.invalidRequest, message) }

    public static func methodNotFound(_ method: String) -> ProtocolError {
        ProtocolError(.methodNotFound, "there is no method `\(method)`; `rpc.discover` lists all of them")
    }

    /// A parameter that is not what it must be.
    ///
    /// - Parameter problem: continues the sentence that starts with the field, as "must be a string, not null".
    static func invalidParams(_ field: FieldPath, _ problem: String) -> ProtocolError {
        let name = field.description
        return ProtocolError(
            .invalidParams, "\(field.method): \(name.isEmpty ? "" : "`\(name)` ")\(problem)",
            details: ["field": .string(name)])
    }

    /// A parameter that only the method itself could find to be wrong.
    public static func invalidParams(method: String, field: String, _ problem: String) -> ProtocolError {
        invalidParams(FieldPath(method: method).member(field), problem)
    }

    /// A fault of the engine's own. `reason` goes to the client, since its user is the machine's owner.
    public static func internalError(_ reason: String) -> ProtocolError {
        ProtocolError(.internalError, "internal error: \(reason)")
    }

    public static func serverNotInitialized(method: String) -> ProtocolError {
        ProtocolError(.serverNotInitialized, "`\(method)` came before `initialize`, which must be the first request")
    }

    /// A request ended by `$/cancelRequest`; an exec says what was printed until then.
    public static func requestCancelled(output: PartialOutput? = nil) -> ProtocolError {
        ProtocolError(.requestCancelled, "the request was cancelled", details: output?.details ?? [:])
    }

    /// As above, of a `process/write`: how many bytes had been written.
    public static func requestCancelled(written: Int) -> ProtocolError {
        ProtocolError(.requestCancelled, "the request was cancelled", details: ["written": written.json])
    }
}
