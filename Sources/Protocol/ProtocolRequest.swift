import JSON

/// One method of the protocol: its name, its params, its result, and what the dispatcher must know of it.
public protocol ProtocolRequest: Sendable {
    associatedtype Params: ParamsDecodable
    associatedtype Result: JSONEncodable

    static var method: String { get }
    /// Whether it may come before `initialize`.
    static var isAcceptedBeforeInitialize: Bool { get }
    /// Whether it changes the lifecycle of the sandbox that it names: such requests run in the order sent.
    static var isLifecycleOperation: Bool { get }
    /// The field of the params that names a sandbox.
    static var sandboxField: String? { get }
    /// The field of the params that names a process, when requests on one process take effect in the order sent.
    static var orderedProcessField: String? { get }
}

extension ProtocolRequest {
    public static var isAcceptedBeforeInitialize: Bool { false }
    public static var isLifecycleOperation: Bool { false }
    public static var sandboxField: String? { nil }
    public static var orderedProcessField: String? { nil }

    /// Decodes the params of a request, and the token for `$/progress` that every request may carry.
    ///
    /// - Throws: `InvalidParams`, naming the field and what was expected.
    public static func decode(
        _ members: [String: JSONValue]
    ) throws(ProtocolError) -> (params: Params, workDoneToken: Token?) {
        var fields = ParamsDecoder(members, at: FieldPath(method: method))
        let result = try decode(&fields)
        try fields.refuseUnknownFields()
        return result
    }

    static func decode(_ fields: inout ParamsDecoder) throws(ProtocolError) -> (params: Params, workDoneToken: Token?) {
        (try Params(from: &fields), try fields.optional("workDoneToken", .token))
    }
}

extension ProtocolRequest where Params: SandboxParams {
    public static var sandboxField: String? { "sandboxId" }
}

/// Params that name the sandbox that the request is about.
public protocol SandboxParams: ParamsDecodable {
    var sandboxID: String { get }
}

/// The params of a method that has none.
public struct NoParams: ParamsDecodable {
    public init(from fields: inout ParamsDecoder) throws(ProtocolError) {}
}

/// The params of a method that needs nothing but the sandbox.
public struct SandboxOnlyParams: SandboxParams {
    public let sandboxID: String

    public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
        sandboxID = try fields.required("sandboxId", .id)
    }
}

/// A notification from the client.
public protocol ClientNotification: Sendable {
    associatedtype Params: ParamsDecodable

    static var method: String { get }
    static var isAcceptedBeforeInitialize: Bool { get }
}

extension ClientNotification {
    public static var isAcceptedBeforeInitialize: Bool { false }

    /// Decodes the params. Nobody is told of an error, since notifications are never answered; it is for the log.
    public static func decode(_ members: [String: JSONValue]) throws(ProtocolError) -> Params {
        try Params.decode(members, at: FieldPath(method: method))
    }
}
