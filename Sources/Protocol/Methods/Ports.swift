import JSON

/// A port of a sandbox that is reached on the host.
public struct PortObject: Equatable, Sendable, JSONEncodable {
    /// Inside.
    public let port: Int
    public let hostAddress: String
    public let hostPort: Int

    public init(port: Int, hostAddress: String, hostPort: Int) {
        self.port = port
        self.hostAddress = hostAddress
        self.hostPort = hostPort
    }

    public var json: JSONValue { .fields(["port": port, "hostAddress": hostAddress, "hostPort": hostPort]) }
}

/// Makes a TCP port of a running sandbox reachable on the host's loopback address.
public enum PortForward: ProtocolRequest {
    public static let method = "port/forward"

    public struct Params: SandboxParams {
        public let sandboxID: String
        public let port: Int
        /// Nil: any that is free.
        public let hostPort: Int?

        public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
            sandboxID = try fields.required("sandboxId", .id)
            port = try fields.required("port", .integer(FieldLimit.port))
            hostPort = try fields.optional("hostPort", .integer(FieldLimit.port))
        }
    }

    public typealias Result = PortObject
}

/// Ends a forward and its connections.
public enum PortClose: ProtocolRequest {
    public static let method = "port/close"

    public struct Params: SandboxParams {
        public let sandboxID: String
        /// Inside.
        public let port: Int

        public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
            sandboxID = try fields.required("sandboxId", .id)
            port = try fields.required("port", .integer(FieldLimit.port))
        }
    }

    public typealias Result = NullResult
}

/// The forwards of a sandbox.
public enum PortList: ProtocolRequest {
    public static let method = "port/list"
    public typealias Params = SandboxOnlyParams

    public struct Result: Equatable, JSONEncodable {
        public let ports: [PortObject]

        public init(ports: [PortObject]) { self.ports = ports }

        public var json: JSONValue { .fields(["ports": ports]) }
    }
}
