import JSON

/// Lists a directory.
public enum FileList: ProtocolRequest {
    public static let method = "fs/list"

    public struct Params: SandboxParams {
        public let sandboxID: String
        public let path: String
        public let recursive: Bool

        public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
            sandboxID = try fields.required("sandboxId", .id)
            path = try fields.required("path", .absolutePath)
            recursive = try fields.optional("recursive", .boolean, default: false)
        }
    }

    public struct Result: Equatable, JSONEncodable {
        public let entries: [FileEntry]

        public init(entries: [FileEntry]) { self.entries = entries }

        public var json: JSONValue { .fields(["entries": entries]) }
    }
}

/// Describes a path itself: a symlink is not followed at its end.
public enum FileStat: ProtocolRequest {
    public static let method = "fs/stat"

    public struct Params: SandboxParams {
        public let sandboxID: String
        public let path: String

        public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
            sandboxID = try fields.required("sandboxId", .id)
            path = try fields.required("path", .absolutePath)
        }
    }

    public struct Result: Equatable, JSONEncodable {
        public let entry: FileEntry
        /// Inside the sandbox.
        public let uid: Int
        public let gid: Int

        public init(entry: FileEntry, uid: Int, gid: Int) {
            self.entry = entry
            self.uid = uid
            self.gid = gid
        }

        public var json: JSONValue {
            var members = entry.json.objectValue ?? [:]
            members["uid"] = uid.json
            members["gid"] = gid.json
            return .object(members)
        }
    }
}

public enum FileMakeDirectory: ProtocolRequest {
    public static let method = "fs/mkdir"

    public struct Params: SandboxParams {
        public let sandboxID: String
        public let path: String
        /// Makes missing parents too, and a directory that exists already is no error.
        public let parents: Bool

        public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
            sandboxID = try fields.required("sandboxId", .id)
            path = try fields.required("path", .absolutePath)
            parents = try fields.optional("parents", .boolean, default: false)
        }
    }

    public typealias Result = NullResult
}

public enum FileRemove: ProtocolRequest {
    public static let method = "fs/remove"

    public struct Params: SandboxParams {
        public let sandboxID: String
        public let path: String
        /// Removes a directory with all that is in it.
        public let recursive: Bool

        public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
            sandboxID = try fields.required("sandboxId", .id)
            path = try fields.required("path", .absolutePath)
            recursive = try fields.optional("recursive", .boolean, default: false)
        }
    }

    public typealias Result = NullResult
}

/// Renames or moves, replacing what is at the new path as rename(2) does.
public enum FileMove: ProtocolRequest {
    public static let method = "fs/move"

    public struct Params: SandboxParams {
        public let sandboxID: String
        public let from: String
        public let to: String

        public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
            sandboxID = try fields.required("sandboxId", .id)
            from = try fields.required("from", .absolutePath)
            to = try fields.required("to", .absolutePath)
        }
    }

    public typealias Result = NullResult
}
