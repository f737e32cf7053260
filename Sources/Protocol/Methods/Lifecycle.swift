import JSON
import JSONRPC

/// The first request of a connection.
public enum Initialize: ProtocolRequest {
    public static let method = "initialize"
    public static let isAcceptedBeforeInitialize = true

    public struct Params: ParamsDecodable {
        public let clientInfo: PeerInfo?
        public let protocolVersion: ProtocolVersion
        /// The store's path on the host.
        public let store: String?
        /// The process whose end ends the engine too.
        public let clientProcessID: Int?
        /// Of all sandboxes together.
        public let limits: EngineLimitParams?

        public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
            clientInfo = try fields.optional("clientInfo", .object)
            protocolVersion = try fields.optional("protocolVersion", .choice, default: .one)
            store = try fields.optional("store", .absolutePath)
            clientProcessID = try fields.optional("clientProcessId", .integer(FieldLimit.processID))
            limits = try fields.optional("limits", .object)
        }
    }

    public struct Result: Equatable, JSONEncodable {
        public let serverInfo: PeerInfo
        public let capabilities: Capabilities
        public let host: HostFacts

        public init(version: String, capabilities: Capabilities, host: HostFacts) {
            serverInfo = PeerInfo(name: "isorun-engine", version: version)
            self.capabilities = capabilities
            self.host = host
        }

        public var json: JSONValue {
            .fields([
                "serverInfo": serverInfo, "protocolVersion": Registry.protocolVersion, "capabilities": capabilities,
                "host": host,
            ])
        }
    }
}

/// Limits of all sandboxes of an engine together; nil for none.
public struct EngineLimitParams: ParamsDecodable {
    public let vcpus: Int?
    public let memMiB: Int?
    public let pidsMax: Int?
    /// Sandboxes that run at once.
    public let sandboxesMax: Int?
    /// Commands under way at once.
    public let execsMax: Int?
    /// Output of commands that waits in memory.
    public let outputMiB: Int

    public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
        vcpus = try fields.optional("vcpus", .integer(FieldLimit.vcpus))
        memMiB = try fields.optional("memMiB", .integer(FieldLimit.memMiB))
        pidsMax = try fields.optional("pidsMax", .integer(FieldLimit.pids))
        sandboxesMax = try fields.optional("sandboxesMax", .integer(FieldLimit.sandboxes))
        execsMax = try fields.optional("execsMax", .integer(FieldLimit.execs))
        outputMiB = try fields.optional("outputMiB", .integer(FieldLimit.outputMiB), default: 1024)
    }
}

/// The versions of the protocol that the engine speaks.
public enum ProtocolVersion: String, WireChoice {
    case one = "1"
}

/// What one side says of itself.
public struct PeerInfo: ParamsDecodable, JSONEncodable {
    public let name: String
    public let version: String

    init(name: String, version: String) {
        self.name = name
        self.version = version
    }

    public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
        name = try fields.required("name", .text)
        version = try fields.required("version", .text)
    }

    public var json: JSONValue { .fields(["name": name, "version": version]) }
}

/// Ends all work; afterwards only `exit` is accepted.
public enum Shutdown: ProtocolRequest {
    public static let method = "shutdown"
    public typealias Params = NoParams
    public typealias Result = NullResult
}

/// Asks for the OpenRPC document.
public enum Discover: ProtocolRequest {
    public static let method = "rpc.discover"
    public typealias Params = NoParams
    /// The document as it is.
    public typealias Result = JSONValue
}

public enum Initialized: ClientNotification {
    public static let method = "initialized"
    public typealias Params = NoParams
}

/// Ends the engine.
public enum Exit: ClientNotification {
    public static let method = "exit"
    public static let isAcceptedBeforeInitialize = true
    public typealias Params = NoParams
}

/// Ends a request that is running.
public enum CancelRequest: ClientNotification {
    public static let method = "$/cancelRequest"

    public struct Params: ParamsDecodable {
        public let id: RequestID

        public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
            id = try fields.required("id", .requestID)
        }
    }
}

extension FieldType<RequestID> {
    fileprivate static var requestID: FieldType { FieldType("an integer or a string", RequestID.init) }
}

/// How far a request has come that carried a `workDoneToken`.
public struct Progress: ServerNotification {
    public static let method = "$/progress"

    public enum Value: Equatable, JSONEncodable {
        case begin(title: String, message: String? = nil, percentage: Int? = nil)
        case report(
            message: String? = nil, percentage: Int? = nil, completedBytes: Int? = nil, totalBytes: Int? = nil)
        case end(message: String? = nil)

        public var json: JSONValue {
            switch self {
            case .begin(let title, let message, let percentage):
                .fields(["kind": "begin", "title": title, "message": message, "percentage": percentage])
            case .report(let message, let percentage, let completedBytes, let totalBytes):
                .fields([
                    "kind": "report", "message": message, "percentage": percentage, "completedBytes": completedBytes,
                    "totalBytes": totalBytes,
                ])
            case .end(let message):
                .fields(["kind": "end", "message": message])
            }
        }
    }

    public let token: Token
    public let value: Value

    public init(token: Token, value: Value) {
        self.token = token
        self.value = value
    }

    public var json: JSONValue { .fields(["token": token, "value": value]) }
}
