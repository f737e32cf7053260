import JSON

public enum FileType: String, WireChoice {
    case file, directory, symlink, fifo, socket, characterDevice, blockDevice
}

/// One entry of a directory (`FileEntry` in the schema).
public struct FileEntry: Equatable, Sendable, JSONEncodable {
    /// Its name; in a recursive listing its path relative to the listed directory.
    public let name: String
    public let type: FileType
    public let size: Int
    /// The permission bits, as 0o644.
    public let mode: Int
    public let modified: Timestamp
    /// Where a symlink points to.
    public let target: String?

    public init(name: String, type: FileType, size: Int, mode: Int, modified: Timestamp, target: String? = nil) {
        self.name = name
        self.type = type
        self.size = size
        self.mode = mode
        self.modified = modified
        self.target = target
    }

    public var json: JSONValue {
        .fields([
            "name": name, "type": type, "size": size, "mode": mode, "mtimeMs": modified.milliseconds, "target": target,
        ])
    }
}

/// One difference between two states of a sandbox's files (`Change` in the schema).
public struct FileChange: Equatable, Sendable, JSONEncodable {
    public enum Kind: String, WireChoice {
        case added, modified, deleted
        /// What it is has changed, as from a file to a directory.
        case type
    }

    public let path: String
    public let kind: Kind
    /// What it is now; of a deleted one, what it was.
    public let type: FileType
    public let size: Int
    /// As `diff -u` writes it.
    public let diff: String?
    /// Why there is no diff although one was asked for.
    public let diffOmitted: DiffOmission?

    public enum DiffOmission: String, WireChoice {
        /// One side is no UTF-8 text.
        case binary
        case tooLarge
    }

    public init(
        path: String, kind: Kind, type: FileType, size: Int, diff: String? = nil, diffOmitted: DiffOmission? = nil
    ) {
        self.path = path
        self.kind = kind
        self.type = type
        self.size = size
        self.diff = diff
        self.diffOmitted = diffOmitted
    }

    public var json: JSONValue {
        .fields([
            "path": path, "kind": kind, "type": type, "size": size, "diff": diff, "diffOmitted": diffOmitted,
        ])
    }
}

/// The result of `sandbox/diff` and `snapshot/diff`.
public struct ChangesResult: Equatable, Sendable, JSONEncodable {
    public let changes: [FileChange]

    public init(changes: [FileChange]) { self.changes = changes }

    public var json: JSONValue { .fields(["changes": changes]) }
}
