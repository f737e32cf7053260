import JSON
import Kernel

/// An OCI image layout (OCI image specification, image-layout.md) that is being written into a folder.
struct ExportedLayout: ~Copyable {
    private let root: OwnedFD
    private let blobs: OwnedFD

    /// A blob and how a manifest names it.
    struct Blob: Sendable {
        let mediaType: String
        let written: WrittenBlob

        var descriptor: [String: JSONValue] {
            [
                "mediaType": .string(mediaType), "digest": .string(written.digest.rawValue), "size": .int(written.size),
            ]
        }
    }

    /// - Parameter root: empty.
    init(in root: consuming OwnedFD) throws(StoreError) {
        do throws(KernelError) {
            try root.makeDirectory("blobs", permissions: 0o755)
            try root.makeDirectory("blobs/sha256", permissions: 0o755)
            blobs = try root.openDirectory("blobs").openDirectory("sha256")
        } catch {
            throw StoreError(error)
        }
        self.root = root
    }

    /// Adds a blob that `write` gives the content of. Again the same one is there once.
    func add(
        _ mediaType: String, _ compression: LayerCompression = .none,
        _ write: (consuming BlobWriter) throws(StoreError) -> WrittenBlob
    ) throws(StoreError) -> Blob {
        let temporary = FilePath(verbatim: "new.\(randomHex16())")
        let file = try onDisk { () throws(KernelError) in
            try blobs.open(temporary, [.write, .create, .exclusive], permissions: 0o644)
        }
        let written = try write(BlobWriter(file, compression))
        try onDisk { () throws(KernelError) in
            try blobs.rename(temporary, to: FilePath(verbatim: String(written.digest.hex)))
        }
        return Blob(mediaType: mediaType, written: written)
    }

    func add(_ mediaType: String, document: JSONValue) throws(StoreError) -> Blob {
        try add(mediaType) { (blob: consuming BlobWriter) throws(StoreError) in
            try blob.write(document.serialized())
            return try blob.finish()
        }
    }

    /// Completes the layout with one image in it.
    ///
    /// - Parameters:
    ///   - layers: lowest first.
    ///   - name: what the image is called.
    /// - Returns: its manifest's digest, and how many bytes all files together have.
    func finish(
        config: JSONValue, layers: [Blob], name: ImageName
    ) throws(StoreError) -> (digest: ImageDigest, sizeBytes: Int64) {
        let config = try add("application/vnd.oci.image.config.v1+json", document: config)
        let manifestType = "application/vnd.oci.image.manifest.v1+json"
        let manifest = try add(
            manifestType,
            document: [
                "schemaVersion": 2, "mediaType": .string(manifestType), "config": .object(config.descriptor),
                "layers": .array(layers.map { .object($0.descriptor) }),
            ])
        var descriptor = manifest.descriptor
        // The first is what podman and Docker go by, the second what skopeo does.
        var annotations: [String: JSONValue] = ["io.containerd.image.name": .string(name.qualified)]
        if let tag = name.tag { annotations["org.opencontainers.image.ref.name"] = .string(tag) }
        descriptor["annotations"] = .object(annotations)
        let index: JSONValue = [
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [.object(descriptor)],
        ]
        let files = [("index.json" as FilePath, index), ("oci-layout", ["imageLayoutVersion": "1.0.0"])]
        var size = Dictionary(
            ([config, manifest] + layers).map { ($0.written.digest, $0.written.size) }, uniquingKeysWith: { $1 }
        ).values.reduce(0, +)
        for (name, document) in files {
            let bytes = document.serialized()
            try onDisk { () throws(KernelError) in
                let file = try root.open(name, [.write, .create, .exclusive], permissions: 0o644)
                try file.writeAll(bytes)
                try file.synchronize()
            }
            size += Int64(bytes.count)
        }
        try onDisk { () throws(KernelError) in
            try blobs.synchronize()
            try root.synchronize()
        }
        return (manifest.written.digest, size)
    }
}
