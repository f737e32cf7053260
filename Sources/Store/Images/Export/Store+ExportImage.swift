import JSON
import Kernel

/// What `Store.exportImage` wrote.
public struct ExportedImage: Sendable {
    /// Of the manifest, by which registries and other tools know the image.
    public let digest: ImageDigest
    /// Of all that was written, in bytes.
    public let sizeBytes: Int64
}

extension Store {
    /// Writes an image as an OCI image layout: an archive when the path ends in `.tar`, else a folder.
    ///
    /// The same image gives the same bytes each time, and layers that images share give the same blobs.
    ///
    /// - Parameters:
    ///   - path: on the host, absolute; there must be nothing yet.
    ///   - owner: who what is made shall belong to, by the ids of the engine's user namespace.
    /// - Throws: `imageNotFound`; `notCopyable` for a file that images cannot hold; `cancelled`, `noSpace`; `kernel` with the path
    ///   when it cannot be written or is taken. On failure nothing is left behind.
    public func exportImage(
        _ reference: String, to path: String, _ compression: LayerCompression = .gzip,
        owner: (user: UInt32, group: UInt32), monitor: ImageMonitor = ImageMonitor()
    ) throws(StoreError) -> ExportedImage {
        let image = try image(named: reference)
        let target = try ExportTarget.make(path, owner: owner)
        do throws(StoreError) {
            let name = ImageName(reference)
            if path.hasSuffix(".tar") {
                return try exportArchive(image, name, to: target, compression, monitor)
            }
            let exported = try writeLayout(of: image, name, into: target.makeFolder(), compression, monitor)
            try target.publishFolder()
            return exported
        } catch {
            target.discard()
            // Its layers may have been removed meanwhile.
            _ = try self.image(image.digest)
            throw error
        }
    }

    private func exportArchive(
        _ image: ImageRecord, _ name: ImageName, to target: borrowing ExportTarget, _ compression: LayerCompression,
        _ monitor: ImageMonitor
    ) throws(StoreError) -> ExportedImage {
        let scratch = FilePath(verbatim: "export.\(randomHex16())")
        var digest: ImageDigest?
        try stagingFolder(scratch) { (folder: borrowing OwnedFD) throws(StoreError) in
            digest = try writeLayout(of: image, name, into: folder.openFolder("."), compression, monitor).digest
            // Its progress was that of the layers.
            _ = try LayerArchiver.write(folder, into: BlobWriter(target.makeFile(), .none), monitor.uncounted())
        }
        try discardStaged(scratch)
        guard let digest else { preconditionFailure("the body ends with a digest or throws") }
        return ExportedImage(digest: digest, sizeBytes: try target.publishFile())
    }

    private func writeLayout(
        of image: ImageRecord, _ name: ImageName, into folder: consuming OwnedFD, _ compression: LayerCompression,
        _ monitor: ImageMonitor
    ) throws(StoreError) -> ExportedImage {
        let layout = SharedLayout(try ExportedLayout(in: folder))
        let layers = Array(image.layers.reversed())
        var sizes: [LayerID: Int64] = [:]
        for layer in layers {
            sizes[layer] = try sizeOfLayer(layer)
            monitor.expect(sizes[layer] ?? 0)
        }
        // The largest first, so that no thread has one left when all others are done.
        let order = layers.indices.sorted { sizes[layers[$0]] ?? 0 > sizes[layers[$1]] ?? 0 }
        let blobs = try Workers.run("export", order, onFailure: monitor.fail) { [self] index throws(StoreError) in
            try layout.layout.add(compression.mediaType, compression) { (blob) throws(StoreError) in
                try LayerArchiver.write(openContent(layers[index]), into: blob, monitor)
            }
        }
        let lowestFirst = zip(order, blobs).sorted { $0.0 < $1.0 }.map(\.1)
        let (digest, size) = try layout.layout.finish(
            config: ImageConfiguration(of: image, diffIDs: lowestFirst.map(\.written.contentDigest)).json,
            layers: lowestFirst, name: name)
        return ExportedImage(digest: digest, sizeBytes: size)
    }

    /// A layout that several threads add to.
    private final class SharedLayout: Sendable {
        let layout: ExportedLayout
        init(_ layout: consuming ExportedLayout) { self.layout = layout }
    }
}
