import JSON
import Kernel

/// What `Store.importImage` made.
public struct ImportedImage: Sendable {
    public let image: ImageRecord
    public let losses: ImportLosses
}

extension Store {
    /// Makes an image of an OCI image layout (a folder or an archive), of what `docker save` writes, or of the archive of a root
    /// filesystem, and lets `reference` stand for it. Archives and layers may be compressed with gzip, zstd or xz.
    ///
    /// The image is known by the digest of its configuration; that of a root filesystem by its archive's SHA-256, decompressed,
    /// as layers of images are (their diff id). Layers that the store has already are not unpacked again.
    ///
    /// - Parameter path: on the host.
    /// - Throws: `imageInvalid`, naming the layer and entry that is refused; `cancelled`, `noSpace`, `kernel`. On failure nothing
    ///   is left behind.
    public func importImage(
        from path: String, as reference: String, options: ImportOptions = ImportOptions(),
        monitor: ImageMonitor = ImageMonitor()
    ) throws(StoreError) -> ImportedImage {
        switch try ImageSource.open(path, limits: options.limits, monitor: monitor) {
        case .rootfs(let archive):
            return try importImage(ImageContents(rootfs: archive), as: reference, options, monitor)
        case .image(let files):
            return try importImage(contents(of: files, reference), as: reference, options, monitor)
        case .compressedImage(let archive):
            let plain = try decompress(archive, options.limits, monitor)
            guard let index = try TarIndex(plain, limits: options.limits, accepting: { _ in true }) else {
                throw .imageInvalid(reason: "\(path) holds no tar archive")
            }
            return try importImage(contents(of: .archive(index), reference), as: reference, options, monitor)
        }
    }

    private func contents(
        of files: consuming ImageFiles, _ reference: String
    ) throws(StoreError) -> ImageContents {
        // Newer versions of Docker write both; the layout has more digests.
        if try files.file(OCILayout.marker) != nil { return try OCILayout(files).image(reference) }
        return try DockerArchive(files).image(reference)
    }

    /// Decompresses a file into one of the store's filesystem that has no name, and goes with its last reader.
    private func decompress(
        _ archive: FileRange, _ limits: ImageLimits, _ monitor: ImageMonitor
    ) throws(StoreError) -> SharedFile {
        let name = FilePath(verbatim: "archive.\(randomHex16())")
        let file = try onDisk { () throws(KernelError) in
            let file = try staging.open(name, [.readWrite, .create, .exclusive], permissions: 0o600)
            try staging.removeFile(name)
            return file
        }
        monitor.expect(archive.size)
        let stream = try DecompressedStream(archive, limits: limits, monitor: monitor)
        var length: Int64 = 0
        let source = stream.source
        while let bytes = unsafe source.next() {
            if unsafe bytes.isEmpty { break }
            do throws(KernelError) {
                unsafe try file.writeAll(bytes, at: length)
            } catch {
                throw StoreError(error)
            }
            length += Int64(bytes.count)
        }
        _ = try stream.finish()
        return SharedFile(file)
    }

    private func importImage(
        _ contents: ImageContents, as reference: String, _ options: ImportOptions, _ monitor: ImageMonitor
    ) throws(StoreError) -> ImportedImage {
        if contents.layers.count > options.limits.maxLayers {
            throw .imageInvalid(reason: "it has more than the limit of \(options.limits.maxLayers) layers")
        }
        while true {
            var layers = LayersOfImage(LayerSlot.slots(of: contents))
            do throws(StoreError) {
                try findPresent(&layers)
                try unpackMissing(&layers, options, monitor)
                if let image = try publish(layers, contents, as: reference) {
                    return ImportedImage(image: image, losses: layers.losses)
                }
                // A garbage collection has removed a layer that was there: so it is missing now.
                try discard(layers)
            } catch {
                try discard(layers)
                throw error
            }
        }
    }

    private func findPresent(_ layers: inout LayersOfImage) throws(StoreError) {
        for (index, slot) in layers.slots.enumerated() {
            for id in [slot.ownID, slot.chainID.map(LayerID.init(imageLayer:))].compactMap(\.self) {
                if try isPresent(id) {
                    layers.places[index] = .present(id)
                    break
                }
            }
        }
    }

    private func unpackMissing(
        _ layers: inout LayersOfImage, _ options: ImportOptions, _ monitor: ImageMonitor
    ) throws(StoreError) {
        let slots = layers.slots
        // The largest first, so that no thread has one left when all others are done.
        let missing = layers.missing.sorted { slots[$0].layer.blob.size > slots[$1].layer.blob.size }
        for index in missing { monitor.expect(slots[index].layer.blob.size) }
        let unpacked = UnpackedLayers()
        do throws(StoreError) {
            _ = try Workers.run("import", missing, onFailure: monitor.fail) { [self] index throws(StoreError) in
                if let layer = try unpackLayer(slots[index], options, monitor) { unpacked.add(layer, at: index) }
            }
        } catch {
            for layer in unpacked.all.values { try discardStaged(layer.staged) }
            throw error
        }
        for (index, layer) in unpacked.all { layers.places[index] = .unpacked(layer) }
        // What is missing still needs the layers beneath, which are there by now.
        for index in layers.missing {
            let beneath = layers.places[..<index].reversed().map { contentPath($0) }
            layers.places[index] = .unpacked(try unpackLayer(slots[index], onTop: beneath, options, monitor))
        }
    }

    private func contentPath(_ place: LayersOfImage.Place) -> String {
        switch place {
        case .missing: preconditionFailure("layers are unpacked from the lowest up")
        case .present(let id): contentPath(id)
        case .unpacked(let layer):
            path("staging", engine.rawValue, layer.staged.description, StoreLayout.content.description)
        }
    }

    private func discard(_ layers: LayersOfImage) throws(StoreError) {
        for layer in layers.unpacked { try discardStaged(layer.staged) }
    }

    /// Lets the layers, the image and its reference appear; what is there already stays as it is.
    /// - Returns: nil when a layer that was present is not any more.
    private func publish(
        _ layers: LayersOfImage, _ contents: ImageContents, as reference: String
    ) throws(StoreError) -> ImageRecord? {
        guard let digest = contents.digest ?? layers.unpacked.first?.diffID else {
            preconditionFailure("a root filesystem was unpacked")
        }
        return try changing { () throws(StoreError) in
            for case .present(let id) in layers.places where try !isPresent(id) { return nil }
            let image = ImageRecord(
                digest: digest, layers: layers.ids, createdAt: .now, sizeBytes: try size(of: layers),
                config: contents.config)
            for layer in layers.unpacked {
                try publishUnlessPresent(layer.staged, as: layer.id.path, in: self.layers)
            }
            return try publish(image, as: reference)
        }
    }

    /// Lets an image whose layers are there appear, unless it is there already. Call within `changing`.
    func publish(_ image: ImageRecord, as reference: String) throws(StoreError) -> ImageRecord {
        let staged = FilePath(verbatim: "image.\(randomHex16())")
        try stagingFolder(staged) { (folder: borrowing OwnedFD) throws(StoreError) in
            try onDisk { () throws(KernelError) in
                try Manifest.write(image.json, as: StoreLayout.manifest, in: folder)
            }
            try publishUnlessPresent(staged, as: image.digest.path, in: images)
        }
        try setReference(reference, to: image.digest)
        return try self.image(image.digest)
    }

    private func size(of layers: LayersOfImage) throws(StoreError) -> Int64 {
        var size: Int64 = 0
        for place in layers.places {
            switch place {
            case .missing: continue
            case .present(let id): size += try sizeOfLayer(id)
            case .unpacked(let layer): size += layer.sizeBytes
            }
        }
        return size
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
