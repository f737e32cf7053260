import JSON

/// Writes to a process's stdin; waits while the pipe is full.
public enum ProcessWrite: ProtocolRequest {
    public static let method = "process/write"
    public static let orderedProcessField: String? = "processId"

    public struct Params: SandboxParams {
        public let sandboxID: String
        public let processID: String
        public let data: [UInt8]

        public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
            sandboxID = try fields.required("sandboxId", .id)
            processID = try fields.required("processId", .id)
            let encoding = try fields.optional("encoding", .choice, default: DataEncoding.utf8)
            data = try fields.required("data", .data(encoding))
        }
    }

    public struct Result: Equatable, JSONEncodable {
        /// Bytes.
        public let written: Int

        public init(written: Int) { self.written = written }

        public var json: JSONValue { .fields(["written": written]) }
    }
}

public enum ProcessCloseStdin: ProtocolRequest {
    public static let method = "process/closeStdin"
    public static let orderedProcessField: String? = "processId"
    public typealias Params = ProcessOnlyParams
    public typealias Result = NullResult
}

public enum ProcessSignal: ProtocolRequest {
    public static let method = "process/signal"
    public static let orderedProcessField: String? = "processId"

    public struct Params: SandboxParams {
        public let sandboxID: String
        public let processID: String
        public let signal: SignalName

        public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
            sandboxID = try fields.required("sandboxId", .id)
            processID = try fields.required("processId", .id)
            signal = try fields.required("signal", .choice)
        }
    }

    public typealias Result = NullResult
}

/// Changes the size of a process's terminal.
public enum ProcessResize: ProtocolRequest {
    public static let method = "process/resize"
    public static let orderedProcessField: String? = "processId"

    public struct Params: SandboxParams {
        public let sandboxID: String
        public let processID: String
        public let size: TerminalSize

        public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
            sandboxID = try fields.required("sandboxId", .id)
            processID = try fields.required("processId", .id)
            size = try TerminalSize(from: &fields)
        }
    }

    public typealias Result = NullResult
}
