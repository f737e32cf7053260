import Kernel

extension Sandbox {
    public enum NetworkMode: String, Sendable {
        case nat, none
    }
}

/// The network that a sandbox has, and why not another where one was wished for.
public struct SandboxNetwork: Sendable, Equatable {
    public var mode: Sandbox.NetworkMode
    public var reason: String?
    /// A connection is permitted if a rule of `allow` matches it, or there is none, and no rule of `deny` does.
    public var allow: [NetworkRule]
    public var deny: [NetworkRule]

    public init(
        mode: Sandbox.NetworkMode, reason: String? = nil, allow: [NetworkRule] = [], deny: [NetworkRule] = []
    ) {
        self.mode = mode
        self.reason = reason
        self.allow = allow
        self.deny = deny
    }

    var hasRules: Bool { !allow.isEmpty || !deny.isEmpty }

    /// What keeps such a network from being had on this machine; nil when nothing does.
    public var obstacle: NetworkObstacle? {
        if mode == .none { return nil }
        return NetworkObstacle(missing: [.pasta, .tunDevice] + (hasRules ? [.packetFilter] : []))
    }
}

/// Why there is no outbound network here, and what to do about it.
public struct NetworkObstacle: Sendable {
    public let reason: String
    public let fix: String

    /// Nil when no feature is missing.
    fileprivate init?(missing names: [FeatureName]) {
        let missing = NetworkFeatures.missing(names)
        if missing.isEmpty { return nil }
        reason = missing.map(\.detail).joined(separator: "; ")
        fix = missing.compactMap(\.remedy).joined(separator: "\n")
    }

    var error: SandboxError { .networkUnavailable(reason: reason, fix: fix) }
}

/// Where things are in the network of a sandbox with outbound connections. They are the same in all, so that what a restored process
/// knows still holds. User-mode networks have used these since slirp; the host's own 10.0.2.0/24 is reached but for the
/// gateway and the name server.
enum InsideAddress {
    static let device = "eth0"
    static let own = "10.0.2.15"
    static let prefixLength = "24"
    static let gateway = "10.0.2.2"
    /// Where pasta stands in for the host's name servers.
    static let nameServer = "10.0.2.3"
    /// Where the engine answers for names when there are rules.
    static let nameRelay = "127.0.2.3"

    /// As a sockaddr_in.
    static func socketAddress(_ address: String, port: UInt16) -> [UInt8] {
        let numbers = address.split(separator: ".").compactMap { UInt8($0) }
        return [2, 0, UInt8(port >> 8), UInt8(port & 0xff)] + numbers + [UInt8](repeating: 0, count: 8)
    }
}
