import JSON
import Kernel

/// What `Store.importRootfs` made.
public struct ImportedImage: Sendable {
    public let image: ImageRecord
    public let losses: ImportLosses
}

extension Store {
    /// Makes an image of a root filesystem's archive (tar, plain or compressed with gzip, zstd or xz), and lets
    /// `reference` stand for it.
    ///
    /// The image is known by the SHA-256 of the decompressed archive, as layers of OCI images are (their diff id), so
    /// the same archive imported twice takes space once.
    ///
    /// - Parameters:
    ///   - path: of the archive, on the host.
    ///   - isCancelled: asked about every 100 kB.
    /// - Throws: `imageInvalid`, naming the entry that is refused; `cancelled`, `noSpace`, `kernel`. On failure nothing
    ///   is left behind.
    public func importRootfs(
        from path: String, as reference: String, limits: ImageLimits = ImageLimits(),
        isCancelled: @escaping @Sendable () -> Bool = { false }
    ) throws(StoreError) -> ImportedImage {
        let stream = try DecompressedStream(ImageSource(opening: path), limits: limits, isCancelled: isCancelled)
        let staged = LayerID.random().path
        var imported: ImportedImage?
        try stagingFolder(staged) { (folder: borrowing OwnedFD) throws(StoreError) in
            try onDisk { () throws(KernelError) in
                try folder.makeDirectory(StoreLayout.content, permissions: 0o755)
                try folder.setPermissions(of: StoreLayout.content, 0o755)
            }
            let content = try folder.openFolder(StoreLayout.content)
            let losses = try unpack(stream, into: content, limits: limits)
            let digest = try stream.finish()
            let image = ImageRecord(
                digest: digest, layers: [LayerID(imageLayer: digest)], createdAt: .now,
                sizeBytes: try onDisk { () throws(KernelError) in try TreeSize.measure(content) },
                config: .object([:]))
            let layer = LayerRecord(id: LayerID(imageLayer: digest), createdAt: image.createdAt)
            try onDisk { () throws(KernelError) in
                try Manifest.write(layer.json, as: StoreLayout.layerManifest, in: folder)
            }
            try publish(image, layer: layer.id, staged: staged, as: reference)
            imported = ImportedImage(image: image, losses: losses)
        }
        guard let imported else { preconditionFailure("the body either sets it or throws") }
        return imported
    }

    private func unpack(
        _ stream: DecompressedStream, into content: borrowing OwnedFD, limits: ImageLimits
    ) throws(StoreError) -> ImportLosses {
        var tar = try TarReader(stream)
        var unpacker = try onDisk { () throws(KernelError) in try RootfsUnpacker(into: content, limits: limits) }
        try unpacker.unpack(&tar)
        try refuseOtherImages(unpacker.topLevelNames)
        return unpacker.losses
    }

    /// Archives of images are tar files as well, but no root filesystems.
    private func refuseOtherImages(_ names: Set<FilePath>) throws(StoreError) {
        if names.contains("oci-layout") {
            throw .imageInvalid(reason: "the archive holds an OCI image layout, which cannot be imported yet")
        }
        if names.contains("manifest.json"), !names.contains("bin"), !names.contains("usr") {
            throw .imageInvalid(
                reason: "the archive was made by 'docker save', which cannot be imported yet; use 'docker export'")
        }
    }

    /// Lets the layer, the image and its reference appear; what is there already stays as it is.
    private func publish(
        _ image: ImageRecord, layer: LayerID, staged: FilePath, as reference: String
    ) throws(StoreError) {
        try stagingFolder(image.digest.path) { (folder: borrowing OwnedFD) throws(StoreError) in
            try onDisk { () throws(KernelError) in
                try Manifest.write(image.json, as: StoreLayout.manifest, in: folder)
            }
            try changing { () throws(StoreError) in
                try publishUnlessPresent(staged, as: layer.path, in: layers)
                try publishUnlessPresent(image.digest.path, as: image.digest.path, in: images)
                try setReference(reference, to: image.digest)
            }
        }
    }

    private func publishUnlessPresent(
        _ staged: FilePath, as name: FilePath, in folder: borrowing OwnedFD
    ) throws(StoreError) {
        do throws(KernelError) {
            try staging.rename(staged, to: name, in: folder, ifTaken: .refuse)
        } catch {
            guard error.errno == .exists else { throw StoreError(error) }
            try discardStaged(staged)
        }
    }
}
