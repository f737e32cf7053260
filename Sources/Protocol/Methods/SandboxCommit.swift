import JSON

/// Applies what the sandbox has changed in a copied folder to the host's own.
public enum SandboxCommit: ProtocolRequest {
    public static let method = "sandbox/commit"
    public static let isLifecycleOperation = true

    public struct Params: SandboxParams {
        public let sandboxID: String
        /// The folder on the host, as it was given when the sandbox was created.
        public let source: String
        /// Relative to the folder; nil for everything.
        public let paths: [String]?
        /// Only tell what would be done.
        public let dryRun: Bool

        public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
            sandboxID = try fields.required("sandboxId", .id)
            source = try fields.required("source", .absolutePath)
            paths = try fields.optional("paths", .array(of: .argument, count: FieldLimit.commitPaths))
            dryRun = try fields.optional("dryRun", .boolean, default: false)
        }
    }

    public struct Result: Equatable, JSONEncodable {
        /// What was changed on the host, or would be.
        public let changes: [FileChange]
        /// Only of a dry run.
        public let conflicts: [CommitConflictObject]
        public let skipped: [SkippedPath]

        public init(changes: [FileChange], conflicts: [CommitConflictObject], skipped: [SkippedPath]) {
            self.changes = changes
            self.conflicts = conflicts
            self.skipped = skipped
        }

        public var json: JSONValue { .fields(["changes": changes, "conflicts": conflicts, "skipped": skipped]) }
    }
}

/// What has changed on the host since it was copied (`CommitConflict` in the schema).
public struct CommitConflictObject: Equatable, Sendable, JSONEncodable {
    public enum Reason: String, WireChoice {
        case addedOnHost, changedOnHost, deletedOnHost
    }

    /// On the host.
    public let path: String
    public let reason: Reason

    public init(path: String, reason: Reason) {
        self.path = path
        self.reason = reason
    }

    public var json: JSONValue { .fields(["path": path, "reason": reason]) }
}

/// What a commit leaves out.
public struct SkippedPath: Equatable, Sendable, JSONEncodable {
    /// On the host.
    public let path: String
    public let reason: String

    public init(path: String, reason: String) {
        self.path = path
        self.reason = reason
    }

    public var json: JSONValue { .fields(["path": path, "reason": reason]) }
}
