import JSON

/// Forks a sandbox, runs one command in each child, and keeps the child whose command succeeds first.
public enum SandboxRace: ProtocolRequest {
    public static let method = "sandbox/race"
    public static let isLifecycleOperation = true

    public struct Params: SandboxParams {
        public let sandboxID: String
        public let children: [RaceChild]
        public let success: RaceSuccess
        /// Whether the winner's state becomes the sandbox's own.
        public let adopt: Bool
        public let runtime: RuntimePolicy
        /// Of each of stdout and stderr of each child; the rest is read and dropped.
        public let maxOutputBytes: Int

        public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
            sandboxID = try fields.required("sandboxId", .id)
            children = try fields.required("children", .array(of: .object, count: FieldLimit.raceChildren))
            success = try fields.optional("success", .choice, default: .exitsWithZero)
            adopt = try fields.optional("adopt", .boolean, default: false)
            runtime = try fields.optional("runtime", .choice, default: .auto)
            maxOutputBytes = try fields.optional(
                "maxOutputBytes", .integer(FieldLimit.raceOutputBytes), default: 64 * 1024)
        }
    }

    public struct Result: Equatable, JSONEncodable {
        /// The winner's place among the children; nil when no command succeeded.
        public let winner: Int?
        /// The winner or, when it was adopted, the sandbox itself; nil without a winner.
        public let sandbox: SandboxObject?
        /// One for each child, in their order.
        public let results: [RaceResult]

        public init(winner: Int?, sandbox: SandboxObject?, results: [RaceResult]) {
            self.winner = winner
            self.sandbox = sandbox
            self.results = results
        }

        public var json: JSONValue { .fields(["winner": winner, "sandbox": sandbox, "results": results]) }
    }
}

/// When a command of a race has succeeded.
public enum RaceSuccess: String, WireChoice {
    case exitsWithZero = "exit0"
}

/// One child of a race: its command, and what differs in it from the parent.
public struct RaceChild: ParamsDecodable {
    public let command: Command
    /// Nil: the sandbox's.
    public let cwd: String?
    public let user: String?
    public let timeoutMs: Int?
    public let overrides: SandboxOverrides

    public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
        command = try fields.required("command", .command)
        cwd = try fields.optional("cwd", .absolutePath)
        user = try fields.optional("user", .user)
        timeoutMs = try fields.optional("timeoutMs", .integer(FieldLimit.timeoutMs))
        overrides = try SandboxOverrides(from: &fields)
    }
}

/// What became of one child of a race.
public struct RaceResult: Equatable, Sendable, JSONEncodable {
    public enum Outcome: String, WireChoice {
        case won
        /// The command ended without success, or could not be started.
        case failed
        /// Another one was quicker.
        case lost
    }

    public let outcome: Outcome
    /// The child, which is gone unless it won and was not adopted.
    public let sandboxID: String
    /// As an exec has it; nil for a command that was killed because it lost, or did not start.
    public let exitCode: Int?
    public let signal: String?
    public let stdout: String
    public let stderr: String
    public let duration: Duration
    public let timedOut: Bool
    /// Why the command did not start or has no exit code.
    public let reason: String?

    public init(
        outcome: Outcome, sandboxID: String, exitCode: Int? = nil, signal: String? = nil, stdout: String = "",
        stderr: String = "", duration: Duration, timedOut: Bool = false, reason: String? = nil
    ) {
        self.outcome = outcome
        self.sandboxID = sandboxID
        self.exitCode = exitCode
        self.signal = signal
        self.stdout = stdout
        self.stderr = stderr
        self.duration = duration
        self.timedOut = timedOut
        self.reason = reason
    }

    public var json: JSONValue {
        .fields([
            "outcome": outcome, "sandboxId": sandboxID, "exitCode": exitCode, "signal": signal, "stdout": stdout,
            "stderr": stderr, "durationMs": duration, "timedOut": timedOut, "reason": reason,
        ])
    }
}
