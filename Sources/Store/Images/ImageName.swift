/// A reference as people write it, taken apart: `python:3.12-slim`, `registry.example:5000/name:tag`,
/// `name@sha256:…`.
///
/// The rules are those that Docker began with and all tools follow: what comes before the first slash is a registry when it holds
/// a dot or a colon, or is `localhost`; without one it is `docker.io`, where names without an owner belong to `library`; without a
/// tag or digest it is `latest`.
public struct ImageName: Sendable, Hashable {
    public static let defaultRegistry = "docker.io"
    private static let defaultOwner = "library/"
    private static let defaultTag = "latest"

    /// With its port; `docker.io` when none is written.
    public let registry: String
    /// Below the registry: `library/python`.
    public let repository: String
    /// Nil when only a digest is written.
    public let tag: String?
    /// `sha256:` and its digits, as written.
    public let digest: String?

    public init(_ reference: String) {
        let parts = reference.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        digest = parts.count == 2 ? String(parts[1]) : nil
        var name = parts[0]
        // A colon before a slash is that of a port.
        let lastSlash = name.lastIndex(of: "/") ?? name.startIndex
        if let colon = name[lastSlash...].lastIndex(of: ":") {
            tag = String(name[name.index(after: colon)...])
            name = name[..<colon]
        } else {
            tag = digest == nil ? Self.defaultTag : nil
        }
        let first = name.prefix { $0 != "/" }
        if first.count < name.count, first.contains(where: { $0 == "." || $0 == ":" }) || first == "localhost" {
            registry = first == "index.docker.io" ? Self.defaultRegistry : String(first)
            name = name.dropFirst(first.count + 1)
        } else {
            registry = Self.defaultRegistry
        }
        repository = registry == Self.defaultRegistry && !name.contains("/") ? Self.defaultOwner + name : String(name)
    }

    private init(registry: String, repository: String, digest: String) {
        self.registry = registry
        self.repository = repository
        tag = nil
        self.digest = digest
    }

    /// The image of a digest in the same repository.
    func pinned(to digest: ImageDigest) -> ImageName {
        ImageName(registry: registry, repository: repository, digest: digest.rawValue)
    }

    /// As short as people write it, with the tag: two references that mean the same have the same one.
    public var familiar: String {
        var name = repository
        if registry != Self.defaultRegistry {
            name = "\(registry)/\(repository)"
        } else if repository.hasPrefix(Self.defaultOwner) {
            name = String(repository.dropFirst(Self.defaultOwner.count))
        }
        if let tag { name += ":\(tag)" }
        if let digest { name += "@\(digest)" }
        return name
    }

    /// In full, as `docker://` wants it. The digest says more than a tag beside it does, and skopeo does not take both.
    public var qualified: String {
        let name = "\(registry)/\(repository)"
        if let digest { return "\(name)@\(digest)" }
        return "\(name):\(tag ?? Self.defaultTag)"
    }

    /// Whether something in an archive bears this name: the whole of it, or, as OCI layouts have it, only the tag.
    func isCalled(_ name: String) -> Bool { name == tag || ImageName(name) == self }

    /// Whether the registry is this machine.
    public var isOnLoopback: Bool {
        let host = registry.hasPrefix("[") ? registry.prefix { $0 != "]" }.dropFirst() : registry.prefix { $0 != ":" }
        let numbers = host.split(separator: ".", omittingEmptySubsequences: false).map { UInt8($0) }
        return host == "localhost" || host == "::1" || numbers.count == 4 && numbers[0] == 127 && !numbers.contains(nil)
    }
}
