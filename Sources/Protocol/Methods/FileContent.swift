import JSON

/// Reads a file, or a piece of one.
public enum FileRead: ProtocolRequest {
    public static let method = "fs/read"

    public struct Params: SandboxParams {
        public let sandboxID: String
        public let path: String
        public let encoding: DataEncoding
        /// Bytes from the start.
        public let offset: Int
        /// At most so many bytes.
        public let length: Int

        public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
            sandboxID = try fields.required("sandboxId", .id)
            path = try fields.required("path", .absolutePath)
            encoding = try fields.optional("encoding", .choice, default: .utf8)
            offset = try fields.optional("offset", .integer(FieldLimit.fileOffset), default: 0)
            length = try fields.optional("length", .integer(FieldLimit.readLength), default: 8 * 1024 * 1024)
        }
    }

    public struct Result: Equatable, JSONEncodable {
        public let data: String
        public let encoding: DataEncoding
        /// Bytes of the whole file.
        public let size: Int
        /// Whether `data` reaches the file's end.
        public let eof: Bool

        public init(data: String, encoding: DataEncoding, size: Int, eof: Bool) {
            self.data = data
            self.encoding = encoding
            self.size = size
            self.eof = eof
        }

        public var json: JSONValue { .fields(["data": data, "encoding": encoding, "size": size, "eof": eof]) }
    }
}

/// Writes a file whole, or appends to it.
public enum FileWrite: ProtocolRequest {
    public static let method = "fs/write"

    public struct Params: SandboxParams {
        public let sandboxID: String
        public let path: String
        public let data: [UInt8]
        /// Permission bits. Nil: those of the file that is replaced, else 0o644.
        public let mode: Int?
        public let append: Bool
        public let createParents: Bool

        public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
            sandboxID = try fields.required("sandboxId", .id)
            path = try fields.required("path", .absolutePath)
            let encoding = try fields.optional("encoding", .choice, default: DataEncoding.utf8)
            data = try fields.required("data", .data(encoding))
            mode = try fields.optional("mode", .integer(FieldLimit.fileMode))
            append = try fields.optional("append", .boolean, default: false)
            createParents = try fields.optional("createParents", .boolean, default: false)
        }
    }

    public struct Result: Equatable, JSONEncodable {
        /// Bytes of the whole file afterwards.
        public let size: Int

        public init(size: Int) { self.size = size }

        public var json: JSONValue { .fields(["size": size]) }
    }
}

/// Copies a file or a folder of the host into the sandbox.
public enum FileCopyIn: ProtocolRequest {
    public static let method = "fs/copyIn"

    public struct Params: SandboxParams {
        public let sandboxID: String
        /// On the host.
        public let source: String
        public let path: String

        public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
            sandboxID = try fields.required("sandboxId", .id)
            source = try fields.required("source", .absolutePath)
            path = try fields.required("path", .absolutePath)
        }
    }

    public typealias Result = CopyResult
}

/// Copies a file or a folder out of the sandbox to the host.
public enum FileCopyOut: ProtocolRequest {
    public static let method = "fs/copyOut"

    public struct Params: SandboxParams {
        public let sandboxID: String
        public let path: String
        /// On the host.
        public let destination: String

        public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
            sandboxID = try fields.required("sandboxId", .id)
            path = try fields.required("path", .absolutePath)
            destination = try fields.required("destination", .absolutePath)
        }
    }

    public typealias Result = CopyResult
}

/// What was copied.
public struct CopyResult: Equatable, JSONEncodable {
    /// Files, folders, links and all else.
    public let files: Int
    /// Of file content.
    public let bytes: Int

    public init(files: Int, bytes: Int) {
        self.files = files
        self.bytes = bytes
    }

    public var json: JSONValue { .fields(["files": files, "bytes": bytes]) }
}
