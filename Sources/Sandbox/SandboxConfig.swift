import Kernel
import Store

/// What happens to a sandbox that nobody has asked for anything for too long.
public enum IdleAction: String, Sendable {
    case hibernate, destroy
}

extension Sandbox {
    public enum Status: String, Sendable {
        case creating, running, hibernated, destroyed, error

        /// Whether it counts among the sandboxes that run.
        var hasPlace: Bool { self == .creating || self == .running }
    }
}

/// Where a sandbox came from, when it was not created from an image.
public enum SandboxOrigin: Sendable, Equatable {
    case sandbox(String)
    case snapshot(String)
}

/// The part of a sandbox that a snapshot carries over besides files: what was configured before.
public struct SandboxConfig: Sendable {
    public var environment: [String: String]
    public var directory: String
    public var user: String
    /// Nil: the sandbox's id.
    public var hostname: String?
    public var limits: SandboxLimits
    public var network: SandboxNetwork
    public var idleTimeoutSec: Int
    public var onTimeout: IdleAction
    /// The sandboxes that this one descends from by restore or fork, nearest first: it may be rolled back to their snapshots.
    public var ancestors: [String]
    public var origin: SandboxOrigin?
    /// Folders of the host that are mounted.
    public var mounts: [HostMount]
    /// What was copied in from the host.
    var folders: [CopiedFolder]

    public init(
        environment: [String: String] = [:], directory: String = "/", user: String = "root", hostname: String? = nil,
        limits: SandboxLimits = SandboxLimits(), network: SandboxNetwork, idleTimeoutSec: Int = 0,
        onTimeout: IdleAction = .hibernate, mounts: [HostMount] = []
    ) {
        self.environment = environment
        self.directory = directory
        self.user = user
        self.hostname = hostname
        self.limits = limits
        self.network = network
        self.idleTimeoutSec = idleTimeoutSec
        self.onTimeout = onTimeout
        self.mounts = mounts
        ancestors = []
        origin = nil
        folders = []
    }
}

extension Sandbox {
    /// What a restored or forked sandbox gets that differs from what was captured.
    public struct Overrides: Sendable {
        public var name: String?
        public var labels: [String: String]?
        /// Added to the captured environment, and stronger.
        public var environment: [String: String]
        public var vcpus: Int?
        public var memMiB: Int?
        public var network: SandboxNetwork?
        public var idleTimeoutSec: Int?

        public init(
            name: String? = nil, labels: [String: String]? = nil, environment: [String: String] = [:],
            vcpus: Int? = nil,
            memMiB: Int? = nil, network: SandboxNetwork? = nil, idleTimeoutSec: Int? = nil
        ) {
            self.name = name
            self.labels = labels
            self.environment = environment
            self.vcpus = vcpus
            self.memMiB = memMiB
            self.network = network
            self.idleTimeoutSec = idleTimeoutSec
        }
    }
}

extension SandboxConfig {
    /// Takes what commands see from a captured configuration: a rollback undoes changes of it, too.
    mutating func takeEnvironment(of captured: SandboxConfig) {
        environment = captured.environment
        directory = captured.directory
        user = captured.user
        limits = captured.limits
    }

    /// The configuration of a sandbox that starts from this one.
    func descended(from ancestor: String, origin: SandboxOrigin, _ overrides: Sandbox.Overrides) -> SandboxConfig {
        var config = self
        config.environment.merge(overrides.environment) { _, new in new }
        config.limits.vcpus = overrides.vcpus ?? limits.vcpus
        config.limits.memMiB = overrides.memMiB ?? limits.memMiB
        config.network = overrides.network ?? network
        config.idleTimeoutSec = overrides.idleTimeoutSec ?? idleTimeoutSec
        config.ancestors = [ancestor] + ancestors
        config.origin = origin
        return config
    }
}
