import JSON

/// A message from the client whose JSON-RPC 2.0 envelope is valid. Nothing is known yet about its method.
public enum IncomingMessage: Equatable, Sendable {
    /// To be answered exactly once, with `id`. Absent params are an empty object.
    case request(id: RequestID, method: String, params: [String: JSONValue])
    /// Never answered.
    case notification(method: String, params: [String: JSONValue])
    /// An answer to a request of the engine's, which sends none.
    case response(id: RequestID?)

    /// Decodes the body of one message.
    public init(body: [UInt8]) throws(EnvelopeError) {
        let value: JSONValue
        do {
            value = try JSONValue.parse(body)
        } catch {
            throw EnvelopeError(.malformedJSON, to: .unknown, "the message is not valid JSON: \(error)")
        }
        switch value {
        case .object(let members):
            self = try Self.decode(members)
        case .array:
            throw EnvelopeError(.invalidMessage, to: .unknown, "batches are not supported; send one object per message")
        default:
            throw EnvelopeError(.invalidMessage, to: .unknown, "a message must be an object, not \(value.kindName)")
        }
    }

    private static func decode(_ members: [String: JSONValue]) throws(EnvelopeError) -> IncomingMessage {
        let id = members["id"].flatMap(RequestID.init)
        let recipient = id.map(EnvelopeError.Recipient.request) ?? .unknown
        guard members["jsonrpc"] == "2.0" else {
            throw EnvelopeError(.invalidMessage, to: recipient, "`jsonrpc` must be \"2.0\"")
        }
        guard let method = members["method"] else {
            guard members["result"] != nil || members["error"] != nil else {
                throw EnvelopeError(.invalidMessage, to: recipient, "`method` is missing")
            }
            return .response(id: id)
        }
        guard case .string(let method) = method else {
            throw EnvelopeError(.invalidMessage, to: recipient, "`method` must be a string, not \(method.kindName)")
        }
        guard let sentID = members["id"] else {
            return .notification(method: method, params: try params(members, of: method, to: .nobody))
        }
        guard let id else {
            throw EnvelopeError(
                .invalidMessage, to: .unknown, "`id` must be an integer or a string, not \(sentID.kindName)")
        }
        return .request(id: id, method: method, params: try params(members, of: method, to: recipient))
    }

    private static func params(
        _ members: [String: JSONValue], of method: String, to recipient: EnvelopeError.Recipient
    ) throws(EnvelopeError) -> [String: JSONValue] {
        switch members["params"] {
        // Not by the letter of JSON-RPC, but many a client writes null where it has none, with `shutdown` and `exit` above all.
        case nil, .null: return [:]
        case .object(let params): return params
        case .some(let other):
            // By position is JSON-RPC, only not this protocol; anything that is no structure is no request at all.
            let reason: EnvelopeError.Reason = if case .array = other { .invalidParams } else { .invalidMessage }
            throw EnvelopeError(
                reason, to: recipient, "\(method): `params` must be an object, not \(other.kindName)")
        }
    }
}

/// Why a body is no valid message, and who is to be told.
public struct EnvelopeError: Error, Equatable, Sendable, CustomStringConvertible {
    public enum Reason: Sendable { case malformedJSON, invalidMessage, invalidParams }

    /// The addressee of the error response.
    public enum Recipient: Equatable, Sendable {
        /// The request that the invalid message names all the same.
        case request(RequestID)
        /// Whoever sent it: answered with `id: null`.
        case unknown
        /// A notification was at fault, and notifications are never answered.
        case nobody
    }

    public let reason: Reason
    public let recipient: Recipient
    /// A sentence for the client's developer.
    public let description: String

    init(_ reason: Reason, to recipient: Recipient, _ description: String) {
        self.reason = reason
        self.recipient = recipient
        self.description = description
    }
}
