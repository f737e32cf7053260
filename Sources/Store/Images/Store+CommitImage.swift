import JSON
import Kernel

extension Store {
    /// Makes the files of a snapshot an image: the layers of its own image, which both share from then on, and one more with
    /// what changed since. It has its image's configuration.
    ///
    /// As long as it was not exported, it is known by the SHA-256 of its configuration and the names of its layers.
    ///
    /// - Throws: `snapshotNotFound`, `snapshotCorrupt`; `imageInvalid` when it stands on the image `host`; `cancelled`, `noSpace`,
    ///   `kernel`. On failure nothing is left behind.
    public func commitImage(
        _ id: SnapshotID, as reference: String, isCancelled: @escaping @Sendable () -> Bool = { false }
    ) throws(StoreError) -> ImageRecord {
        let snapshot = try snapshot(id)
        guard let parent = snapshot.image.digest else {
            throw .imageInvalid(
                reason: "snapshot \(id) stands on the image 'host', whose files are this machine's and not in the "
                    + "store; start from an image that was imported or pulled")
        }
        let changes = try singleLayer(of: snapshot, isCancelled)
        let layers = changes + snapshot.image.layers
        return try changing { () throws(StoreError) in
            try requireLayers(layers, of: id)
            let now = FileTime.now
            let config = ImageConfiguration(
                of: try image(parent).config, withLayersAdded: changes.count, at: now, comment: "isorun image/commit")
            let names = JSONValue.array(layers.map { .string($0.rawValue) })
            let identity: JSONValue = ["config": config.json, "layers": names]
            var size: Int64 = 0
            for layer in layers { size += try sizeOfLayer(layer) }
            return try publish(
                ImageRecord(
                    digest: ImageDigest(of: identity.serialized()), layers: layers, createdAt: now, sizeBytes: size,
                    config: config.json),
                as: reference)
        }
    }

    /// What a snapshot has above its image, as one layer; none when it changed nothing.
    private func singleLayer(
        of snapshot: SnapshotRecord, _ isCancelled: @escaping @Sendable () -> Bool
    ) throws(StoreError) -> [LayerID] {
        do throws(StoreError) {
            let chain = try shortened(snapshot.layers)
            if chain.count < 2 { return chain }
            let whole = MergeCandidate(run: chain, beneath: [])
            return [try merge(whole, image: snapshot.image, base: [], isCancelled: isCancelled)]
        } catch {
            // It may have been deleted meanwhile.
            _ = try self.snapshot(snapshot.id)
            throw error
        }
    }
}
