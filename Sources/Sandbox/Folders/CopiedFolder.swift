import JSON
import Kernel
import Store

/// A folder of the host that was copied into a sandbox, and what the copy was made of.
public struct CopiedFolder: Sendable, Equatable {
    /// A state of the sandbox's files that the host has, too: what was copied, and later what was committed.
    struct Base: Sendable, Equatable {
        /// Relative to the folder: what it holds for; nil for everything.
        let paths: [String]?
        /// The layers above the image, topmost first; the store keeps them as long as this is remembered.
        let layers: [LayerID]

        func covers(_ path: FilePath) -> Bool { paths?.contains { path.lies(atOrBelow: $0) } ?? true }
    }

    /// On the host, as the caller wrote it.
    public let source: String
    /// On the host, without symlinks.
    let location: String
    /// In the sandbox, from the root and without symlinks.
    let target: FilePath
    let exclude: [String]
    /// Latest first. Of those that hold for a path the first one counts.
    var bases: [Base]

    func base(of path: FilePath) -> Base? { bases.first { $0.covers(path) } }

    /// After a commit: what the host has now.
    mutating func committed(_ paths: [String]?, _ layers: [LayerID]) {
        let base = Base(paths: paths, layers: layers)
        bases = paths == nil ? [base] : [base] + bases
    }

    /// A path of the sandbox relative to the folder; nil when it lies elsewhere.
    func relative(_ path: FilePath) -> FilePath? {
        let (own, names) = (target.components, path.components)
        guard names.starts(with: own) else { return nil }
        return names.dropFirst(own.count).reduce("") { $0.appending($1) }
    }
}

extension FilePath {
    func lies(atOrBelow folder: String) -> Bool {
        components.starts(with: FilePath(verbatim: folder).components)
    }
}

extension SandboxConfig {
    /// The layers that the store must keep for the sake of the copied folders.
    var baseLayers: [LayerID] {
        var seen: Set<LayerID> = []
        return folders.flatMap(\.bases).flatMap(\.layers).filter { seen.insert($0).inserted }
    }

    /// The innermost copied folder that holds a path.
    func folder(holding path: FilePath) -> CopiedFolder? {
        folders.filter { $0.relative(path) != nil }.max { $0.target.components.count < $1.target.components.count }
    }
}

// MARK: In the store

extension CopiedFolder {
    var json: JSONValue {
        .object([
            "source": .string(source), "location": .string(location), "target": .string(target.description),
            "exclude": .array(exclude.map { .string($0) }),
            "bases": .array(
                bases.map { base in
                    .object([
                        "paths": base.paths.map { .array($0.map { .string($0) }) } ?? .null,
                        "layers": .array(base.layers.map { .string($0.rawValue) }),
                    ])
                }),
        ])
    }

    /// Nil when the value is not what `json` writes.
    init?(json: JSONValue) {
        guard case .object(let fields) = json, case .string(let source) = fields["source"],
            case .string(let location) = fields["location"], case .string(let targetText) = fields["target"],
            let target = FilePath(targetText), let exclude = fields["exclude"]?.texts,
            case .array(let bases) = fields["bases"]
        else { return nil }
        self.source = source
        self.location = location
        self.target = target
        self.exclude = exclude
        self.bases = bases.compactMap(Base.init(json:))
        if self.bases.count != bases.count { return nil }
    }
}

extension CopiedFolder.Base {
    fileprivate init?(json: JSONValue) {
        guard case .object(let fields) = json, let texts = fields["layers"]?.texts else { return nil }
        paths = fields["paths"]?.texts
        layers = texts.compactMap(LayerID.init(rawValue:))
        if layers.count != texts.count { return nil }
    }
}

extension JSONValue {
    /// An array of strings.
    fileprivate var texts: [String]? {
        guard case .array(let items) = self else { return nil }
        var texts: [String] = []
        for item in items {
            guard case .string(let text) = item else { return nil }
            texts.append(text)
        }
        return texts
    }
}
