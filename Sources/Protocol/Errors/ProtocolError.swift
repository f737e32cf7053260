import JSON
import JSONRPC

/// A failed request, as the client sees it. Made by the named constructors only, so that every error of one kind
/// has the same fields.
public struct ProtocolError: Error, Equatable, Sendable, CustomStringConvertible {
    public let kind: ErrorKind
    /// A sentence that a person can act on.
    public let message: String
    /// The members of `data` beside `kind`.
    public let details: [String: JSONValue]

    init(_ kind: ErrorKind, _ message: String, details: [String: JSONValue] = [:]) {
        self.kind = kind
        self.message = message
        self.details = details
    }

    /// The error's `data`: its kind, and what the kind comes with.
    public var data: JSONValue {
        var members = details
        members["kind"] = .string(kind.rawValue)
        return .object(members)
    }

    /// The response that reports the error. A nil id answers a message whose id could not be read.
    public func response(to id: RequestID?) -> OutgoingMessage {
        .error(id: id, code: kind.code, message: message, data: data)
    }

    public var description: String { "\(kind.rawValue) (\(kind.code)): \(message)" }
}

/// What a command had printed when its exec was cut short, encoded as the exec asked for.
public struct PartialOutput: Equatable, Sendable {
    public let stdout: String
    public let stderr: String

    public init(stdout: String, stderr: String) {
        self.stdout = stdout
        self.stderr = stderr
    }

    var details: [String: JSONValue] { ["stdout": .string(stdout), "stderr": .string(stderr)] }
}
