import JSON

/// A message to the client.
public enum OutgoingMessage: Equatable, Sendable {
    case result(id: RequestID, JSONValue)
    /// A nil id answers a message whose id could not be read.
    case error(id: RequestID?, code: Int, message: String, data: JSONValue)
    case notification(method: String, params: JSONValue)

    /// The message as it goes over the wire: header and body.
    public func framed() -> [UInt8] {
        let body = json.serialized()
        var bytes = Array("Content-Length: \(body.count)\r\n\r\n".utf8)
        bytes.append(contentsOf: body)
        return bytes
    }

    var json: JSONValue {
        switch self {
        case .result(let id, let result):
            ["jsonrpc": "2.0", "id": id.json, "result": result]
        case .error(let id, let code, let message, let data):
            [
                "jsonrpc": "2.0", "id": id?.json ?? .null,
                "error": ["code": .int(Int64(code)), "message": .string(message), "data": data],
            ]
        case .notification(let method, let params):
            ["jsonrpc": "2.0", "method": .string(method), "params": params]
        }
    }
}
