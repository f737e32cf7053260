import JSON

/// Starts a process that lives on, in snapshots and forks too.
public enum ProcessStart: ProtocolRequest {
    public static let method = "process/start"

    public struct Params: SandboxParams {
        public let sandboxID: String
        public let command: Command
        /// Nil: the sandbox's.
        public let cwd: String?
        public let env: [String: String]
        /// Nil: the sandbox's.
        public let user: String?
        /// Whether stdin is open for `process/write`; empty otherwise.
        public let stdin: Bool
        /// A terminal of this size instead of pipes.
        public let pty: TerminalSize?
        public let name: String?

        public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
            sandboxID = try fields.required("sandboxId", .id)
            command = try fields.required("command", .command)
            cwd = try fields.optional("cwd", .absolutePath)
            env = try fields.optional("env", .environment, default: [:])
            user = try fields.optional("user", .user)
            stdin = try fields.optional("stdin", .boolean, default: false)
            pty = try fields.optional("pty", .object)
            name = try fields.optional("name", .name)
        }
    }

    public typealias Result = ProcessObject
}

/// The params of a method that needs nothing but the process.
public struct ProcessOnlyParams: SandboxParams {
    public let sandboxID: String
    public let processID: String

    public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
        sandboxID = try fields.required("sandboxId", .id)
        processID = try fields.required("processId", .id)
    }
}

public enum ProcessGet: ProtocolRequest {
    public static let method = "process/get"
    public typealias Params = ProcessOnlyParams
    public typealias Result = ProcessObject
}

public enum ProcessList: ProtocolRequest {
    public static let method = "process/list"
    public typealias Params = SandboxOnlyParams

    public struct Result: Equatable, JSONEncodable {
        public let processes: [ProcessObject]

        public init(processes: [ProcessObject]) { self.processes = processes }

        public var json: JSONValue { .fields(["processes": processes]) }
    }
}

/// Waits for a process to exit.
public enum ProcessWait: ProtocolRequest {
    public static let method = "process/wait"

    public struct Params: SandboxParams {
        public let sandboxID: String
        public let processID: String
        /// After this time the answer is the process as it is, still running.
        public let timeoutMs: Int?

        public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
            sandboxID = try fields.required("sandboxId", .id)
            processID = try fields.required("processId", .id)
            timeoutMs = try fields.optional("timeoutMs", .integer(FieldLimit.timeoutMs))
        }
    }

    public typealias Result = ProcessObject
}
