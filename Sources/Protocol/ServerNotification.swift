import JSON
import JSONRPC

/// A notification from the engine; its JSON is the params.
public protocol ServerNotification: JSONEncodable, Equatable {
    static var method: String { get }
}

extension ServerNotification {
    public var message: OutgoingMessage { .notification(method: Self.method, params: json) }
}
