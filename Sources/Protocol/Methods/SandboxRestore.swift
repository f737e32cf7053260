import JSON

/// What may differ from the captured sandbox in one that is restored or forked; nil leaves it as it was.
public struct SandboxOverrides: ParamsDecodable {
    public let name: String?
    public let labels: [String: String]?
    /// Added to the captured environment.
    public let env: [String: String]?
    public let vcpus: Int?
    public let memMiB: Int?
    public let network: NetworkParams?
    public let timeoutSec: Int?

    public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
        name = try fields.optional("name", .name)
        labels = try fields.optional("labels", .labels)
        env = try fields.optional("env", .environment)
        vcpus = try fields.optional("vcpus", .integer(FieldLimit.vcpus))
        memMiB = try fields.optional("memMiB", .integer(FieldLimit.memMiB))
        network = try fields.optional("network", .object)
        timeoutSec = try fields.optional("timeoutSec", .integer(FieldLimit.timeoutSec))
    }
}

/// Makes a new sandbox from a snapshot.
public enum SandboxRestore: ProtocolRequest {
    public static let method = "sandbox/restore"

    public struct Params: ParamsDecodable {
        public let snapshotID: String
        public let runtime: RuntimePolicy
        public let overrides: SandboxOverrides

        public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
            snapshotID = try fields.required("snapshotId", .id)
            runtime = try fields.optional("runtime", .choice, default: .auto)
            overrides = try SandboxOverrides(from: &fields)
        }
    }

    public typealias Result = SandboxObject
}

/// Makes several sandboxes that go on from where this one is: all of them, or none.
public enum SandboxFork: ProtocolRequest {
    public static let method = "sandbox/fork"
    public static let isLifecycleOperation = true

    public struct Params: SandboxParams {
        public let sandboxID: String
        public let count: Int
        /// One for each child, in their order, or empty.
        public let children: [SandboxOverrides]
        public let runtime: RuntimePolicy

        public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
            sandboxID = try fields.required("sandboxId", .id)
            let children: [SandboxOverrides]? = try fields.optional(
                "children", .array(of: .object, count: FieldLimit.forkCount))
            let count = try fields.optional("count", .integer(FieldLimit.forkCount))
            runtime = try fields.optional("runtime", .choice, default: .auto)
            self.children = children ?? []
            self.count = count ?? children?.count ?? 1
            if let children, children.count != self.count {
                throw fields.refuse("children", "has \(children.count) elements for a `count` of \(self.count)")
            }
        }
    }

    public struct Result: Equatable, JSONEncodable {
        public let sandboxes: [SandboxObject]
        /// How long the parent stood still.
        public let pause: Duration

        public init(sandboxes: [SandboxObject], pause: Duration) {
            self.sandboxes = sandboxes
            self.pause = pause
        }

        public var json: JSONValue { .fields(["sandboxes": sandboxes, "pauseMs": pause]) }
    }
}

/// Puts a sandbox back to a snapshot of itself or of an ancestor, under the same id.
public enum SandboxRollback: ProtocolRequest {
    public static let method = "sandbox/rollback"
    public static let isLifecycleOperation = true

    public struct Params: SandboxParams {
        public let sandboxID: String
        public let snapshotID: String
        public let runtime: RuntimePolicy

        public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
            sandboxID = try fields.required("sandboxId", .id)
            snapshotID = try fields.required("snapshotId", .id)
            runtime = try fields.optional("runtime", .choice, default: .auto)
        }
    }

    public typealias Result = SandboxObject
}
