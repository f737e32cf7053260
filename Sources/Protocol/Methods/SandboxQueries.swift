import JSON

public enum SandboxGet: ProtocolRequest {
    public static let method = "sandbox/get"
    public typealias Params = SandboxOnlyParams
    public typealias Result = SandboxObject
}

/// Lists the sandboxes that are not destroyed.
public enum SandboxList: ProtocolRequest {
    public static let method = "sandbox/list"

    public struct Params: ParamsDecodable {
        /// Only those that have all of these.
        public let labels: [String: String]

        public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
            labels = try fields.optional("labels", .labels, default: [:])
        }
    }

    public struct Result: Equatable, JSONEncodable {
        public let sandboxes: [SandboxObject]

        public init(sandboxes: [SandboxObject]) { self.sandboxes = sandboxes }

        public var json: JSONValue { .fields(["sandboxes": sandboxes]) }
    }
}

/// Sets after how many seconds without a request the sandbox is hibernated or destroyed.
public enum SandboxSetTimeout: ProtocolRequest {
    public static let method = "sandbox/setTimeout"

    public struct Params: SandboxParams {
        public let sandboxID: String
        /// 0 for never.
        public let timeoutSec: Int

        public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
            sandboxID = try fields.required("sandboxId", .id)
            timeoutSec = try fields.required("timeoutSec", .integer(FieldLimit.timeoutSec))
        }
    }

    public typealias Result = SandboxObject
}

/// What the sandbox uses now.
public enum SandboxStats: ProtocolRequest {
    public static let method = "sandbox/stats"
    public typealias Params = SandboxOnlyParams

    public struct Result: Equatable, JSONEncodable {
        public let cpuTime: Duration
        public let memBytes: Int
        public let memPeakBytes: Int
        public let pids: Int
        /// Bytes of the files that the sandbox itself has changed.
        public let diskBytes: Int

        public init(cpuTime: Duration, memBytes: Int, memPeakBytes: Int, pids: Int, diskBytes: Int) {
            self.cpuTime = cpuTime
            self.memBytes = memBytes
            self.memPeakBytes = memPeakBytes
            self.pids = pids
            self.diskBytes = diskBytes
        }

        public var json: JSONValue {
            .fields([
                "cpuMs": cpuTime, "memBytes": memBytes, "memPeakBytes": memPeakBytes, "pids": pids,
                "diskBytes": diskBytes,
            ])
        }
    }
}

/// Lists what the sandbox has changed in its files.
public enum SandboxDiff: ProtocolRequest {
    public static let method = "sandbox/diff"

    public struct Params: SandboxParams {
        public let sandboxID: String
        /// The id of a snapshot to compare with; nil for the image.
        public let against: String?
        /// Only what is there and below; in a copied folder compared with what was copied.
        public let path: String?
        /// Whether changes of text files come with a unified diff; needs `path`.
        public let text: Bool

        public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
            sandboxID = try fields.required("sandboxId", .id)
            against = try fields.optional("against", .id)
            path = try fields.optional("path", .absolutePath)
            text = try fields.optional("text", .boolean, default: false)
        }
    }

    public typealias Result = ChangesResult
}
