import JSON

/// What became of a sandbox's processes in a snapshot, a restore, a fork or a rollback.
public struct RuntimeReport: Equatable, Sendable, JSONEncodable {
    /// A process that was not kept, and why.
    public struct Dropped: Equatable, Sendable, JSONEncodable {
        public let pid: Int
        public let command: String
        public let reason: String

        public init(pid: Int, command: String, reason: String) {
            self.pid = pid
            self.command = command
            self.reason = reason
        }

        public var json: JSONValue { .fields(["pid": pid, "command": command, "reason": reason]) }
    }

    /// A part of a kept process that starts anew, as "tcp connection to 10.0.0.1:80".
    public struct Reset: Equatable, Sendable, JSONEncodable {
        public let pid: Int
        public let command: String
        public let what: String

        public init(pid: Int, command: String, what: String) {
            self.pid = pid
            self.command = command
            self.what = what
        }

        public var json: JSONValue { .fields(["pid": pid, "command": command, "what": what]) }
    }

    /// How many processes were kept with their memory.
    public let kept: Int
    public let dropped: [Dropped]
    public let reset: [Reset]

    public init(kept: Int, dropped: [Dropped] = [], reset: [Reset] = []) {
        self.kept = kept
        self.dropped = dropped
        self.reset = reset
    }

    public var json: JSONValue { .fields(["kept": kept, "dropped": dropped, "reset": reset]) }
}

/// Whether an operation keeps running processes.
public enum RuntimePolicy: String, WireChoice {
    /// What can be kept is kept; the rest is reported.
    case auto
    /// Fails unless every process can be kept.
    case require
    /// Files only.
    case none
}
