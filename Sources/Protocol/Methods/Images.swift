import JSON

/// Brings in a rootfs tarball, an OCI image layout or a `docker save` archive.
public enum ImageImport: ProtocolRequest {
    public static let method = "image/import"

    public struct Params: ParamsDecodable {
        /// On the host.
        public let path: String
        /// What the image will be called.
        public let ref: String

        public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
            path = try fields.required("path", .absolutePath)
            ref = try fields.required("ref", .imageReference)
        }
    }

    public typealias Result = ImageObject
}

/// The params of a method that needs nothing but the image.
public struct ImageOnlyParams: ParamsDecodable {
    /// As people write it: `python:3.12-slim`.
    public let ref: String

    public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
        ref = try fields.required("ref", .imageReference)
    }
}

/// Copies an image from a registry.
public enum ImagePull: ProtocolRequest {
    public static let method = "image/pull"
    public typealias Params = ImageOnlyParams
    public typealias Result = ImageObject
}

public enum ImageList: ProtocolRequest {
    public static let method = "image/list"
    public typealias Params = NoParams

    public struct Result: Equatable, JSONEncodable {
        public let images: [ImageObject]

        public init(images: [ImageObject]) { self.images = images }

        public var json: JSONValue { .fields(["images": images]) }
    }
}

public enum ImageGet: ProtocolRequest {
    public static let method = "image/get"
    public typealias Params = ImageOnlyParams
    public typealias Result = ImageObject
}

public enum ImageRemove: ProtocolRequest {
    public static let method = "image/remove"
    public typealias Params = ImageOnlyParams
    public typealias Result = NullResult
}

/// Makes a snapshot's files an image.
public enum ImageCommit: ProtocolRequest {
    public static let method = "image/commit"

    public struct Params: ParamsDecodable {
        public let snapshotID: String
        /// What the image will be called.
        public let ref: String

        public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
            snapshotID = try fields.required("snapshotId", .id)
            ref = try fields.required("ref", .imageReference)
        }
    }

    public typealias Result = ImageObject
}

/// Writes an image as an OCI image layout, which other tools can run.
public enum ImageExport: ProtocolRequest {
    public static let method = "image/export"

    public enum Compression: String, WireChoice {
        case gzip, zstd, none
    }

    public struct Params: ParamsDecodable {
        public let ref: String
        /// On the host; an archive when it ends in `.tar`, else a folder.
        public let path: String
        public let compression: Compression

        public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
            ref = try fields.required("ref", .imageReference)
            path = try fields.required("path", .absolutePath)
            compression = try fields.optional("compression", .choice, default: .gzip)
        }
    }

    public struct Result: Equatable, JSONEncodable {
        public let ref: String
        public let path: String
        /// Of the manifest: what other tools know the image by.
        public let digest: String
        public let sizeBytes: Int

        public init(ref: String, path: String, digest: String, sizeBytes: Int) {
            self.ref = ref
            self.path = path
            self.digest = digest
            self.sizeBytes = sizeBytes
        }

        public var json: JSONValue {
            .fields(["ref": ref, "path": path, "digest": digest, "sizeBytes": sizeBytes])
        }
    }
}
