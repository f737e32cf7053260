import JSON

/// An image that was found in a layout or archive: what is to be unpacked, and what is known of it beforehand.
struct ImageContents: Sendable {
    struct Layer: Sendable {
        let blob: FileRange
        /// Of the blob as it lies there; nil where nobody announces it.
        let digest: ImageDigest?
        /// Of the decompressed layer; nil for a plain root filesystem.
        let diffID: ImageDigest?
    }

    /// Lowest first.
    let layers: [Layer]
    /// The image's configuration (OCI image specification, config.md); empty for a plain root filesystem.
    let config: JSONValue
    /// Of the configuration, which names all layers and so the whole image; nil for a plain root filesystem, which is
    /// known by its only layer.
    let digest: ImageDigest?

    /// The archive of a root filesystem.
    init(rootfs archive: FileRange) {
        layers = [Layer(blob: archive, digest: nil, diffID: nil)]
        config = .object([:])
        digest = nil
    }

    /// - Parameters:
    ///   - config: its bytes; they decide about the image's digest.
    ///   - blobs: lowest first.
    /// - Throws: `imageInvalid` when the configuration does not fit the layers or this machine.
    init(
        config bytes: [UInt8], blobs: [(blob: FileRange, digest: ImageDigest?)]
    ) throws(StoreError) {
        let config = try ImageDocument(bytes, name: "the image's configuration")
        try ImagePlatform(config.json).requireThisMachine()
        guard let list = config.json["rootfs"]?["diff_ids"]?.arrayValue else {
            throw .imageInvalid(reason: "its configuration names no layers (rootfs.diff_ids)")
        }
        let diffIDs = list.compactMap { $0.stringValue.flatMap(ImageDigest.init(rawValue:)) }
        if diffIDs.count != list.count {
            throw .imageInvalid(reason: "its configuration names a layer by something else than a SHA-256 digest")
        }
        if diffIDs.count != blobs.count {
            throw .imageInvalid(
                reason: "its configuration names \(diffIDs.count) layers, but its manifest \(blobs.count)")
        }
        if blobs.isEmpty { throw .imageInvalid(reason: "it has no layers, so there would be nothing to run") }
        layers = zip(blobs, diffIDs).map { Layer(blob: $0.blob, digest: $0.digest, diffID: $1) }
        self.config = config.json
        digest = ImageDigest(of: bytes)
    }
}

/// A JSON object of an image.
struct ImageDocument {
    let json: JSONValue

    init(_ bytes: [UInt8], name: String) throws(StoreError) {
        do throws(JSONParseError) {
            json = try JSONValue.parse(bytes)
        } catch {
            throw .imageInvalid(reason: "\(name) is no JSON: \(error)")
        }
    }
}
