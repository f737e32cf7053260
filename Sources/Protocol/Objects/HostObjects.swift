import JSON

/// What the engine can do on this machine.
public struct Capabilities: Equatable, Sendable, JSONEncodable {
    /// Whether running processes are kept, and if not, why.
    public struct RuntimeState: Equatable, Sendable, JSONEncodable {
        public let supported: Bool
        public let reason: String?

        public init(supported: Bool, reason: String? = nil) {
            self.supported = supported
            self.reason = reason
        }

        public var json: JSONValue { .fields(["supported": supported, "reason": reason]) }
    }

    /// What enforces a limit.
    public enum LimitMechanism: String, WireChoice {
        case cgroup2, cgroup1, rlimit
        /// The engine looks at what is used, and ends what uses too much.
        case engine
        case none
    }

    public struct Limits: Equatable, Sendable, JSONEncodable {
        public let memory: LimitMechanism
        public let cpu: LimitMechanism
        public let pids: LimitMechanism
        public let disk: LimitMechanism

        public init(memory: LimitMechanism, cpu: LimitMechanism, pids: LimitMechanism, disk: LimitMechanism) {
            self.memory = memory
            self.cpu = cpu
            self.pids = pids
            self.disk = disk
        }

        public var json: JSONValue { .fields(["memory": memory, "cpu": cpu, "pids": pids, "disk": disk]) }
    }

    /// Where images can come from.
    public enum ImageSource: String, WireChoice {
        case host
        case archive = "import"
        case registry = "pull"
    }

    public let runtimeState: RuntimeState
    public let network: [NetworkMode]
    public let limits: Limits
    public let images: [ImageSource]
    public let maxForkCount = FieldLimit.forkCount.upperBound

    public init(runtimeState: RuntimeState, network: [NetworkMode], limits: Limits, images: [ImageSource]) {
        self.runtimeState = runtimeState
        self.network = network
        self.limits = limits
        self.images = images
    }

    public var json: JSONValue {
        .fields([
            "runtimeState": runtimeState, "network": network, "limits": limits, "images": images,
            "maxForkCount": maxForkCount,
        ])
    }
}

/// Facts of the machine and of how the engine runs on it.
public struct HostFacts: Equatable, Sendable, JSONEncodable {
    /// The kernel's release, as `6.18.1`.
    public let kernel: String
    public let arch: String
    /// Whether an ordinary user started the engine.
    public let rootless: Bool
    /// Whether a range of subordinate ids is mapped into sandboxes.
    public let subordinateIDs: Bool
    /// The store's path on the host.
    public let store: String
    public let storeFilesystem: String
    /// Whether that filesystem can copy files without copying their bytes.
    public let reflink: Bool

    public init(
        kernel: String, arch: String, rootless: Bool, subordinateIDs: Bool, store: String, storeFilesystem: String,
        reflink: Bool
    ) {
        self.kernel = kernel
        self.arch = arch
        self.rootless = rootless
        self.subordinateIDs = subordinateIDs
        self.store = store
        self.storeFilesystem = storeFilesystem
        self.reflink = reflink
    }

    public var json: JSONValue {
        .fields([
            "kernel": kernel, "arch": arch, "rootless": rootless, "subordinateIds": subordinateIDs, "store": store,
            "storeFilesystem": storeFilesystem, "reflink": reflink,
        ])
    }
}
