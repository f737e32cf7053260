import JSON

/// Runs a command to its end.
public enum SandboxExec: ProtocolRequest {
    public static let method = "sandbox/exec"

    public struct Params: SandboxParams {
        public let sandboxID: String
        public let command: Command
        /// Nil: the sandbox's.
        public let cwd: String?
        public let env: [String: String]
        /// Nil: the sandbox's.
        public let user: String?
        /// Written to the command's stdin, which then ends; nil for an empty one.
        public let stdin: [UInt8]?
        public let timeoutMs: Int?
        /// Of each of stdout and stderr; the rest is read and dropped.
        public let maxOutputBytes: Int
        /// Of stdin, stdout and stderr.
        public let encoding: DataEncoding
        /// Output is sent as `exec/output` too.
        public let outputToken: Token?

        public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
            sandboxID = try fields.required("sandboxId", .id)
            command = try fields.required("command", .command)
            cwd = try fields.optional("cwd", .absolutePath)
            env = try fields.optional("env", .environment, default: [:])
            user = try fields.optional("user", .user)
            encoding = try fields.optional("encoding", .choice, default: .utf8)
            stdin = try fields.optional("stdin", .data(encoding))
            timeoutMs = try fields.optional("timeoutMs", .integer(FieldLimit.timeoutMs))
            maxOutputBytes = try fields.optional(
                "maxOutputBytes", .integer(FieldLimit.outputBytes), default: 8 * 1024 * 1024)
            outputToken = try fields.optional("outputToken", .token)
        }
    }

    public struct Result: Equatable, JSONEncodable {
        /// 128 + n after signal n, 124 after a timeout.
        public let exitCode: Int
        /// The signal that ended the command, as `SIGKILL`.
        public let signal: String?
        /// Encoded as the params asked for.
        public let stdout: String
        public let stderr: String
        public let duration: Duration
        public let timedOut: Bool
        /// Whether output beyond `maxOutputBytes` was dropped.
        public let truncated: Bool
        /// The limits that the sandbox ran into while the command ran; nil for none.
        public let limits: [ReachedLimit]?

        public init(
            exitCode: Int, signal: String?, stdout: String, stderr: String, duration: Duration, timedOut: Bool,
            truncated: Bool, limits: [ReachedLimit]? = nil
        ) {
            self.exitCode = exitCode
            self.signal = signal
            self.stdout = stdout
            self.stderr = stderr
            self.duration = duration
            self.timedOut = timedOut
            self.truncated = truncated
            self.limits = limits
        }

        public var json: JSONValue {
            .fields([
                "exitCode": exitCode, "signal": signal, "stdout": stdout, "stderr": stderr, "durationMs": duration,
                "timedOut": timedOut, "truncated": truncated, "limits": limits,
            ])
        }
    }
}

/// A limit that a sandbox runs into by itself.
public enum ReachedLimit: String, WireChoice {
    /// A process was killed for want of memory.
    case memory
    /// A process or thread could not be made.
    case pids
    /// Nothing more can be written.
    case disk
}

/// A sandbox has run into a limit.
public struct SandboxLimitReached: ServerNotification {
    public static let method = "sandbox/limitReached"

    public let sandboxID: String
    public let limit: ReachedLimit

    public init(sandboxID: String, limit: ReachedLimit) {
        self.sandboxID = sandboxID
        self.limit = limit
    }

    public var json: JSONValue { .fields(["sandboxId": sandboxID, "limit": limit]) }
}

/// Output of an exec that carried an `outputToken`, while it is printed.
public struct ExecOutput: ServerNotification {
    public static let method = "exec/output"

    public let token: Token
    public let stream: OutputStream
    public let data: String
    public let encoding: DataEncoding

    public init(token: Token, stream: OutputStream, data: String, encoding: DataEncoding) {
        self.token = token
        self.stream = stream
        self.data = data
        self.encoding = encoding
    }

    public var json: JSONValue { .fields(["token": token, "stream": stream, "data": data, "encoding": encoding]) }
}
