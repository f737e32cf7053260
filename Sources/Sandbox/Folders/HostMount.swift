import JSON
import Kernel

/// A folder of the host that is mounted into a sandbox, and into what descends from it.
public struct HostMount: Sendable, Equatable {
    /// On the host, absolute and without symlinks.
    public let location: String
    /// In the sandbox, from the root.
    let target: FilePath
    public let isReadOnly: Bool

    public var mountPoint: String { "/\(target)" }

    /// Where nothing of the host may be mounted: the engine's own mounts are there.
    private static let reserved: [FilePath] = ["proc", "sys", "dev", "run/isorun"]

    /// - Parameters:
    ///   - source: of the host, as the caller wrote it.
    ///   - store: the store's folder.
    /// - Throws: `path`.
    public init(source: String, target: String, isReadOnly: Bool, store: String) throws(SandboxError) {
        guard let sourcePath = FilePath(source) else { throw .path(PathError(.notFound, source)) }
        location = try atPath(source) { () throws(KernelError) in
            try OwnedFD.open(sourcePath, [.pathOnly, .directory]).location()
        }
        guard let targetPath = FilePath(target), !targetPath.components.contains("..") else {
            throw .path(PathError(.permissionDenied(reason: "a target has no `..` in it"), target))
        }
        self.target = targetPath.components.reduce("") { $0.appending($1) }
        self.isReadOnly = isReadOnly
        let isReserved = Self.reserved.contains { Self.isWithin(self.target, $0) || Self.isWithin($0, self.target) }
        if isReserved {
            throw .path(PathError(.permissionDenied(reason: "the engine's own mounts are there"), target))
        }
        if Self.isWithin(FilePath(verbatim: store), FilePath(verbatim: location))
            || Self.isWithin(FilePath(verbatim: location), FilePath(verbatim: store))
        {
            throw .path(PathError(.permissionDenied(reason: "the engine's store lies there"), source))
        }
    }

    private static func isWithin(_ path: FilePath, _ folder: FilePath) -> Bool {
        path.components.starts(with: folder.components)
    }

    /// Whether a path of the sandbox lies in the folder.
    func holds(_ path: FilePath) -> Bool { Self.isWithin(path, target) }

    // MARK: In the store

    var json: JSONValue {
        .object([
            "location": .string(location), "target": .string(target.description), "readOnly": .bool(isReadOnly),
        ])
    }

    /// Nil when the value is not what `json` writes.
    init?(json: JSONValue) {
        guard case .object(let fields) = json, case .string(let location) = fields["location"],
            case .string(let text) = fields["target"], let target = FilePath(text),
            case .bool(let isReadOnly) = fields["readOnly"]
        else { return nil }
        self.location = location
        self.target = target
        self.isReadOnly = isReadOnly
    }
}
