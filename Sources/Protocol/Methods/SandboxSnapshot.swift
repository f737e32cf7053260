import JSON

/// Captures files and running processes; the sandbox goes on.
public enum SandboxSnapshot: ProtocolRequest {
    public static let method = "sandbox/snapshot"
    public static let isLifecycleOperation = true

    public struct Params: SandboxParams {
        public let sandboxID: String
        public let name: String?
        public let labels: [String: String]
        public let runtime: RuntimePolicy
        /// Whether to answer only when the snapshot outlives a power cut.
        public let isDurable: Bool

        public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
            sandboxID = try fields.required("sandboxId", .id)
            name = try fields.optional("name", .name)
            labels = try fields.optional("labels", .labels, default: [:])
            runtime = try fields.optional("runtime", .choice, default: .auto)
            isDurable = try fields.optional("durable", .boolean, default: false)
        }
    }

    public typealias Result = SnapshotObject
}

/// Says what a snapshot taken now would keep of each process.
public enum SandboxExplain: ProtocolRequest {
    public static let method = "sandbox/explain"
    public typealias Params = SandboxOnlyParams

    public struct Result: Equatable, JSONEncodable {
        public let processes: [ProcessVerdict]

        public init(processes: [ProcessVerdict]) { self.processes = processes }

        public var json: JSONValue { .fields(["processes": processes]) }
    }
}

/// What a snapshot would make of one process.
public struct ProcessVerdict: Equatable, JSONEncodable {
    public enum Verdict: String, WireChoice {
        case kept, lost
    }

    public let pid: Int
    public let command: String
    public let verdict: Verdict
    /// Why it would be lost.
    public let reason: String?
    /// What of it would start anew, as "tcp connection to 10.0.0.1:80".
    public let resets: [String]

    public init(pid: Int, command: String, verdict: Verdict, reason: String? = nil, resets: [String] = []) {
        self.pid = pid
        self.command = command
        self.verdict = verdict
        self.reason = reason
        self.resets = resets
    }

    public var json: JSONValue {
        .fields(["pid": pid, "command": command, "verdict": verdict, "reason": reason, "resets": resets])
    }
}
