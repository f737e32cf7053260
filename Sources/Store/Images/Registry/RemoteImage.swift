import JSON

/// An image of a registry for this machine: which one exactly, and how much is to be copied.
struct RemoteImage {
    /// By its manifest's digest, so that what is copied is what was looked at.
    let name: ImageName
    /// Bytes of its configuration and layers.
    let totalBytes: Int64

    /// Registries hold an index for images of several machines; it may point to another one.
    private static let maxDepth = 4

    /// Asks the registry.
    ///
    /// - Throws: `pullFailed`; `imageInvalid` when the image is for other machines, or its digest is not the one that was asked for.
    static func find(
        _ reference: ImageName, with skopeo: Skopeo, scratch: String, isCancelled: () -> Bool
    ) throws(StoreError) -> RemoteImage {
        var name = reference
        for _ in 0..<maxDepth {
            let bytes = try skopeo.manifest(name, scratch: scratch, isCancelled: isCancelled)
            let digest = ImageDigest(of: bytes)
            if let announced = name.digest, announced != digest.rawValue {
                throw .imageInvalid(reason: "the registry sent the digest \(digest) for \(announced)")
            }
            let manifest = try ImageDocument(bytes, name: "the manifest").json
            guard let entries = manifest["manifests"]?.arrayValue else {
                let layers = manifest["layers"]?.arrayValue ?? []
                let sizes = (layers + [manifest["config"]].compactMap(\.self)).compactMap { $0["size"]?.intValue }
                let total = sizes.reduce(Int64(0)) { $0.addingReportingOverflow(max($1, 0)).partialValue }
                return RemoteImage(name: name.pinned(to: digest), totalBytes: total)
            }
            name = name.pinned(to: try choose(entries).digest)
        }
        throw .imageInvalid(reason: "its indexes are nested too deeply")
    }

    private static func choose(_ entries: [JSONValue]) throws(StoreError) -> OCIDescriptor {
        let descriptors = try entries.map(OCIDescriptor.init)
        // Beside images an index holds attestations, for the platform "unknown".
        let images = descriptors.filter { $0.role == .manifest || $0.role == .index }
        if let own = images.first(where: { $0.platform?.isThisMachine ?? true }) { return own }
        try images.compactMap(\.platform).first?.requireThisMachine()
        throw .imageInvalid(reason: "the registry's index lists no image")
    }
}
