import JSON

/// Sends a process's output from a cursor on, then what it prints.
public enum ProcessAttach: ProtocolRequest {
    public static let method = "process/attach"
    public static let orderedProcessField: String? = "processId"

    public struct Params: SandboxParams {
        public let sandboxID: String
        public let processID: String
        /// Bytes of output from its start.
        public let cursor: Int

        public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
            sandboxID = try fields.required("sandboxId", .id)
            processID = try fields.required("processId", .id)
            cursor = try fields.optional("cursor", .integer(FieldLimit.fileOffset), default: 0)
        }
    }

    public struct Result: Equatable, JSONEncodable {
        /// Where the replay begins: later than asked for when older output is no longer kept.
        public let cursor: Int

        public init(cursor: Int) { self.cursor = cursor }

        public var json: JSONValue { .fields(["cursor": cursor]) }
    }
}

/// Stops what `process/attach` started; the process goes on.
public enum ProcessDetach: ProtocolRequest {
    public static let method = "process/detach"
    public static let orderedProcessField: String? = "processId"
    public typealias Params = ProcessOnlyParams
    public typealias Result = NullResult
}

/// Output of an attached process.
public struct ProcessOutput: ServerNotification {
    public static let method = "process/output"

    public let sandboxID: String
    public let processID: String
    public let stream: OutputStream
    public let data: String
    public let encoding: DataEncoding
    /// Where `data` ends: attaching there continues without loss.
    public let cursor: Int

    public init(
        sandboxID: String, processID: String, stream: OutputStream, data: String, encoding: DataEncoding, cursor: Int
    ) {
        self.sandboxID = sandboxID
        self.processID = processID
        self.stream = stream
        self.data = data
        self.encoding = encoding
        self.cursor = cursor
    }

    public var json: JSONValue {
        .fields([
            "sandboxId": sandboxID, "processId": processID, "stream": stream, "data": data, "encoding": encoding,
            "cursor": cursor,
        ])
    }
}

/// A process has ended. Its output may still come.
public struct ProcessExited: ServerNotification {
    public static let method = "process/exited"

    public let sandboxID: String
    public let processID: String
    /// 128 + n after signal n; nil when nobody told how it ended.
    public let exitCode: Int?
    public let signal: String?

    public init(sandboxID: String, processID: String, exitCode: Int?, signal: String?) {
        self.sandboxID = sandboxID
        self.processID = processID
        self.exitCode = exitCode
        self.signal = signal
    }

    public var json: JSONValue {
        .fields(["sandboxId": sandboxID, "processId": processID, "exitCode": exitCode, "signal": signal])
    }
}

/// One of a process's output streams will bring nothing more.
public struct ProcessOutputEnded: ServerNotification {
    public static let method = "process/outputEnded"

    public enum Reason: String, WireChoice {
        /// Everybody who could write to it has closed it.
        case eof
        /// A rollback, a hibernation or the engine's end cut it off.
        case interrupted
    }

    public let sandboxID: String
    public let processID: String
    public let stream: OutputStream
    public let reason: Reason

    public init(sandboxID: String, processID: String, stream: OutputStream, reason: Reason) {
        self.sandboxID = sandboxID
        self.processID = processID
        self.stream = stream
        self.reason = reason
    }

    public var json: JSONValue {
        .fields(["sandboxId": sandboxID, "processId": processID, "stream": stream, "reason": reason])
    }
}
