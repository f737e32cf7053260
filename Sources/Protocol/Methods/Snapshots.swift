import JSON

/// Lists snapshots, newest first.
public enum SnapshotList: ProtocolRequest {
    public static let method = "snapshot/list"

    public struct Params: ParamsDecodable {
        /// Only those taken of this sandbox; it may be destroyed.
        public let sandboxID: String?
        /// Only those that have all of these.
        public let labels: [String: String]

        public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
            sandboxID = try fields.optional("sandboxId", .id)
            labels = try fields.optional("labels", .labels, default: [:])
        }
    }

    public struct Result: Equatable, JSONEncodable {
        public let snapshots: [SnapshotObject]

        public init(snapshots: [SnapshotObject]) { self.snapshots = snapshots }

        public var json: JSONValue { .fields(["snapshots": snapshots]) }
    }
}

/// The params of a method that needs nothing but the snapshot.
public struct SnapshotOnlyParams: ParamsDecodable {
    public let snapshotID: String

    public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
        snapshotID = try fields.required("snapshotId", .id)
    }
}

public enum SnapshotGet: ProtocolRequest {
    public static let method = "snapshot/get"
    public typealias Params = SnapshotOnlyParams
    public typealias Result = SnapshotObject
}

/// Deletes a snapshot. A second time is an error.
public enum SnapshotDelete: ProtocolRequest {
    public static let method = "snapshot/delete"
    public typealias Params = SnapshotOnlyParams
    public typealias Result = NullResult
}

/// A snapshot has come to outlive the engine and a power cut, or will not.
public struct SnapshotDurability: ServerNotification {
    public static let method = "snapshot/durability"

    public let snapshotID: String
    public let isDurable: Bool
    /// Why it is not.
    public let reason: String?

    public init(snapshotID: String, isDurable: Bool, reason: String? = nil) {
        self.snapshotID = snapshotID
        self.isDurable = isDurable
        self.reason = reason
    }

    public var json: JSONValue { .fields(["snapshotId": snapshotID, "durable": isDurable, "reason": reason]) }
}

/// Lists the files that differ between two snapshots.
public enum SnapshotDiff: ProtocolRequest {
    public static let method = "snapshot/diff"

    public struct Params: ParamsDecodable {
        public let from: String
        public let to: String

        public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
            from = try fields.required("from", .id)
            to = try fields.required("to", .id)
        }
    }

    public typealias Result = ChangesResult
}

/// Writes a snapshot, with everything that is needed to restore it elsewhere, into one file.
public enum SnapshotExport: ProtocolRequest {
    public static let method = "snapshot/export"

    public struct Params: ParamsDecodable {
        public let snapshotID: String
        /// On the host.
        public let path: String

        public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
            snapshotID = try fields.required("snapshotId", .id)
            path = try fields.required("path", .absolutePath)
        }
    }

    public struct Result: Equatable, JSONEncodable {
        public let path: String
        /// Bytes of the file.
        public let sizeBytes: Int

        public init(path: String, sizeBytes: Int) {
            self.path = path
            self.sizeBytes = sizeBytes
        }

        public var json: JSONValue { .fields(["path": path, "sizeBytes": sizeBytes]) }
    }
}

/// Brings an exported snapshot into the store.
public enum SnapshotImport: ProtocolRequest {
    public static let method = "snapshot/import"

    public struct Params: ParamsDecodable {
        /// On the host.
        public let path: String

        public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
            path = try fields.required("path", .absolutePath)
        }
    }

    public typealias Result = SnapshotObject
}
