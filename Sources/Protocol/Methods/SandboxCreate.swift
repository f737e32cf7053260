import JSON

/// Makes a new sandbox from an image.
public enum SandboxCreate: ProtocolRequest {
    public static let method = "sandbox/create"

    public struct Params: ParamsDecodable {
        public let image: String
        public let name: String?
        public let labels: [String: String]
        public let env: [String: String]
        /// Nil: the image's.
        public let cwd: String?
        /// Nil: the image's.
        public let user: String?
        public let hostname: String?
        public let vcpus: Int
        public let memMiB: Int
        public let diskMiB: Int
        public let pidsMax: Int
        /// Commands under way at once.
        public let execsMax: Int
        /// Seconds without a request until `onTimeout`; 0 for never.
        public let timeoutSec: Int
        public let onTimeout: TimeoutAction
        /// Nil: `nat` where it is available, else `none`.
        public let network: NetworkParams?
        public let mounts: [MountParams]

        public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
            image = try fields.optional("image", .imageReference, default: "host")
            name = try fields.optional("name", .name)
            labels = try fields.optional("labels", .labels, default: [:])
            env = try fields.optional("env", .environment, default: [:])
            cwd = try fields.optional("cwd", .absolutePath)
            user = try fields.optional("user", .user)
            hostname = try fields.optional("hostname", .hostname)
            vcpus = try fields.optional("vcpus", .integer(FieldLimit.vcpus), default: 1)
            memMiB = try fields.optional("memMiB", .integer(FieldLimit.memMiB), default: 1024)
            diskMiB = try fields.optional("diskMiB", .integer(FieldLimit.diskMiB), default: 4096)
            pidsMax = try fields.optional("pidsMax", .integer(FieldLimit.pids), default: 1024)
            execsMax = try fields.optional("execsMax", .integer(FieldLimit.execs), default: 1024)
            timeoutSec = try fields.optional("timeoutSec", .integer(FieldLimit.timeoutSec), default: 0)
            onTimeout = try fields.optional("onTimeout", .choice, default: .hibernate)
            network = try fields.optional("network", .object)
            mounts = try fields.optional("mounts", .array(of: .object, count: FieldLimit.mounts), default: [])
        }
    }

    public typealias Result = SandboxObject
}

/// What happens to a sandbox that nobody has asked anything of for `timeoutSec`.
public enum TimeoutAction: String, WireChoice {
    case hibernate, destroy
}

public struct NetworkParams: ParamsDecodable {
    /// Nil: `nat`, or without rules the best there is.
    public let mode: NetworkMode?
    public let allow: [String]
    public let deny: [String]

    public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
        mode = try fields.optional("mode", .choice)
        allow = try fields.optional("allow", .array(of: .argument, count: FieldLimit.networkRules), default: [])
        deny = try fields.optional("deny", .array(of: .argument, count: FieldLimit.networkRules), default: [])
    }
}

/// A folder or file of the host that is brought in.
public struct MountParams: ParamsDecodable {
    public enum Mode: String, WireChoice {
        /// A private copy; changes stay in the sandbox.
        case copy
        /// The host's own, read-only.
        case readOnly = "ro"
        /// The host's own; changes reach the host and are in no snapshot.
        case readWrite = "rw"
    }

    /// On the host.
    public let source: String
    /// In the sandbox.
    public let target: String
    public let mode: Mode
    /// What a copy leaves out, as lines of a .gitignore.
    public let exclude: [String]

    public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
        source = try fields.required("source", .absolutePath)
        target = try fields.required("target", .absolutePath)
        mode = try fields.required("mode", .choice)
        exclude = try fields.optional(
            "exclude", .array(of: .argument, count: FieldLimit.excludePatterns), default: [])
    }
}
