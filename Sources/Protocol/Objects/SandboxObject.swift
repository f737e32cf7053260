import JSON

/// A sandbox as the client sees it (`Sandbox` in the schema).
public struct SandboxObject: Equatable, Sendable, JSONEncodable {
    /// Where a sandbox came from.
    public enum Parent: Equatable, Sendable, JSONEncodable {
        /// Forked from this sandbox.
        case sandbox(String)
        /// Restored from this snapshot.
        case snapshot(String)

        public var json: JSONValue {
            switch self {
            case .sandbox(let id): ["kind": "sandbox", "id": .string(id)]
            case .snapshot(let id): ["kind": "snapshot", "id": .string(id)]
            }
        }
    }

    /// The network that the sandbox has; the reason when it is not the one that is the default.
    public struct Network: Equatable, Sendable, JSONEncodable {
        public let mode: NetworkMode
        public let reason: String?
        /// Nil: there are none.
        public let allow: [String]?
        public let deny: [String]?

        public init(mode: NetworkMode, reason: String? = nil, allow: [String]? = nil, deny: [String]? = nil) {
            self.mode = mode
            self.reason = reason
            self.allow = allow
            self.deny = deny
        }

        public var json: JSONValue { .fields(["mode": mode, "reason": reason, "allow": allow, "deny": deny]) }
    }

    /// A folder of the host that is mounted.
    public struct Mount: Equatable, Sendable, JSONEncodable {
        /// On the host, without symlinks.
        public let source: String
        public let target: String
        public let mode: MountParams.Mode

        public init(source: String, target: String, mode: MountParams.Mode) {
            self.source = source
            self.target = target
            self.mode = mode
        }

        public var json: JSONValue { .fields(["source": source, "target": target, "mode": mode]) }
    }

    public var id: String
    public var name: String?
    public var labels: [String: String]
    public var status: SandboxStatus
    public var image: String
    public var env: [String: String]
    public var cwd: String
    public var user: String
    public var hostname: String
    public var vcpus: Int
    public var memMiB: Int
    public var diskMiB: Int
    public var pidsMax: Int
    public var execsMax: Int
    public var network: Network
    /// How long it took from the request until the sandbox was ready.
    public var createTime: Duration
    public var createdAt: Timestamp
    public var parent: Parent?
    /// Seconds without a request after which it is hibernated or destroyed; 0 for never.
    public var timeoutSec: Int
    /// Nil for none.
    public var mounts: [Mount]?
    /// What became of the processes, in a sandbox that came from a snapshot or a fork.
    public var runtime: RuntimeReport?

    public init(
        id: String, name: String?, labels: [String: String], status: SandboxStatus, image: String,
        env: [String: String], cwd: String, user: String, hostname: String, vcpus: Int, memMiB: Int, diskMiB: Int,
        pidsMax: Int, execsMax: Int, network: Network, createTime: Duration, createdAt: Timestamp, parent: Parent?,
        timeoutSec: Int,
        mounts: [Mount]?, runtime: RuntimeReport?
    ) {
        self.id = id
        self.name = name
        self.labels = labels
        self.status = status
        self.image = image
        self.env = env
        self.cwd = cwd
        self.user = user
        self.hostname = hostname
        self.vcpus = vcpus
        self.memMiB = memMiB
        self.diskMiB = diskMiB
        self.pidsMax = pidsMax
        self.execsMax = execsMax
        self.network = network
        self.createTime = createTime
        self.createdAt = createdAt
        self.parent = parent
        self.timeoutSec = timeoutSec
        self.mounts = mounts
        self.runtime = runtime
    }

    public var json: JSONValue {
        .fields([
            "id": id, "name": name, "labels": labels, "status": status, "image": image, "env": env, "cwd": cwd,
            "user": user, "hostname": hostname, "vcpus": vcpus, "memMiB": memMiB, "diskMiB": diskMiB,
            "pidsMax": pidsMax, "execsMax": execsMax, "network": network, "createMs": createTime,
            "createdAt": createdAt, "parent": parent,
            "timeoutSec": timeoutSec, "mounts": mounts, "runtime": runtime,
        ])
    }
}

public enum SandboxStatus: String, WireChoice {
    case creating, running, hibernated, destroyed, error
}

public enum NetworkMode: String, WireChoice {
    /// Outbound connections through the host's network.
    case nat
    /// Only loopback.
    case none
}
