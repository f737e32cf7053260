import JSON
import Kernel

/// What a manifest or an index says of a blob (OCI image specification, descriptor.md).
struct OCIDescriptor {
    enum Role: Equatable {
        case manifest, index, config, layer
        case other(String)
    }

    let role: Role
    let digest: ImageDigest
    let size: Int64
    let annotations: [String: String]
    /// Nil when the descriptor does not say what machine it is for.
    let platform: ImagePlatform?

    /// - Throws: `imageInvalid`.
    init(_ json: JSONValue?) throws(StoreError) {
        guard let json, let text = json["digest"]?.stringValue, let size = json["size"]?.intValue, size >= 0 else {
            throw .imageInvalid(reason: "its manifest names a blob without digest or size")
        }
        guard let digest = ImageDigest(rawValue: text) else {
            throw .imageInvalid(reason: "'\(text.prefix(100))' is no SHA-256 digest")
        }
        role = Role(mediaType: json["mediaType"]?.stringValue ?? "")
        self.digest = digest
        self.size = size
        annotations = (json["annotations"]?.objectValue ?? [:]).compactMapValues(\.stringValue)
        platform = json["platform"].map(ImagePlatform.init)
    }

    var blobPath: FilePath { FilePath(verbatim: "blobs/sha256/\(digest.hex)") }
}

extension OCIDescriptor.Role {
    /// From the media types of OCI, and of Docker, which came before and which layouts may hold as well.
    init(mediaType: String) {
        self =
            switch mediaType {
            case "application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json":
                .manifest
            case "application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json":
                .index
            case "application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json": .config
            case let type where Self.isLayer(type): .layer
            default: .other(mediaType)
            }
    }

    private static func isLayer(_ mediaType: String) -> Bool {
        let kinds = [
            "application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.nondistributable.v1.tar",
            "application/vnd.docker.image.rootfs.diff.tar", "application/vnd.docker.image.rootfs.foreign.diff.tar",
        ]
        // What a layer is compressed with is seen by its first bytes.
        return kinds.contains { kind in
            guard mediaType.hasPrefix(kind) else { return false }
            return ["", "+gzip", ".gzip", "+zstd", "+xz"].contains(String(mediaType.dropFirst(kind.count)))
        }
    }
}

/// The machine that an image is for.
struct ImagePlatform: Equatable, CustomStringConvertible {
    let system: String
    let architecture: String

    /// From a descriptor's `platform`, or an image's configuration.
    init(_ json: JSONValue) {
        system = json["os"]?.stringValue ?? ""
        architecture = json["architecture"]?.stringValue ?? ""
    }

    var description: String { "\(system)/\(architecture)" }

    /// As Go names the machine, and so OCI.
    static var ownArchitecture: String {
        #if arch(x86_64)
            "amd64"
        #elseif arch(arm64)
            "arm64"
        #endif
    }

    /// Left out, it says nothing against this machine.
    var isThisMachine: Bool {
        (system.isEmpty || system == "linux") && (architecture.isEmpty || architecture == Self.ownArchitecture)
    }

    func requireThisMachine() throws(StoreError) {
        if isThisMachine { return }
        throw .imageInvalid(reason: "it is for \(self), and this machine is linux/\(Self.ownArchitecture)")
    }
}
