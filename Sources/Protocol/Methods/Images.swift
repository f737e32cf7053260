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
