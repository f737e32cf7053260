import Kernel

/// A layer of an image that is being imported.
struct LayerSlot: Sendable {
    let layer: ImageContents.Layer
    /// Counted from the lowest, for messages.
    let number: Int
    /// Of the image up to this layer (OCI image specification, config.md, "Layer ChainID"); nil for a plain root filesystem.
    let chainID: ImageDigest?
    /// Whether the same layer is in the image further down; overlayfs does not take a folder twice.
    let isRepeated: Bool
    let isRootfs: Bool

    var isLowest: Bool { number == 1 }

    /// What the layer is called when nothing beneath it has a say in what it holds: many images share it then.
    var ownID: LayerID? { (isRepeated ? chainID : layer.diffID).map(LayerID.init(imageLayer:)) }

    /// All layers of an image, lowest first.
    static func slots(of contents: ImageContents) -> [LayerSlot] {
        var slots: [LayerSlot] = []
        var chain: ImageDigest?
        var seen: Set<ImageDigest> = []
        for (index, layer) in contents.layers.enumerated() {
            if let diffID = layer.diffID {
                chain = chain.map { ImageDigest(of: Array("\($0) \(diffID)".utf8)) } ?? diffID
            }
            let isNew = layer.diffID.map { seen.insert($0).inserted } ?? true
            slots.append(
                LayerSlot(
                    layer: layer, number: index + 1, chainID: chain, isRepeated: !isNew,
                    isRootfs: contents.digest == nil))
        }
        return slots
    }
}

/// A layer that was unpacked into this engine's staging folder.
struct UnpackedLayer: Sendable {
    let id: LayerID
    let staged: FilePath
    let diffID: ImageDigest
    let sizeBytes: Int64
    let losses: ImportLosses
}

// Unpacking one layer. On failure nothing of it is left in the staging folder.
extension Store {
    /// Unpacks a layer by itself.
    /// - Returns: nil when the layers beneath decide about what it holds: then `unpackLayer(_:onTop:)` can.
    func unpackLayer(
        _ slot: LayerSlot, _ options: ImportOptions, _ monitor: ImageMonitor
    ) throws(StoreError) -> UnpackedLayer? {
        let role: LayerUnpacker.Role = slot.isRootfs ? .rootfs : slot.isLowest ? .lowest : .alone
        return try stagingLayer { facts in
            slot.ownID ?? LayerID(imageLayer: facts.contentDigest)
        } body: { (folder: borrowing OwnedFD, _) throws(StoreError) in
            try unpack(slot, role, into: folder.openFolder(StoreLayout.content), options, monitor)
        }
    }

    /// Unpacks a layer through an overlay, on top of the layers that it was made for.
    ///
    /// Some tools write layers that leave folders out, or link to files of other layers: then the kernel knows best what they
    /// mean. Such a layer is that of one image, and is known by its chain id.
    ///
    /// - Parameter beneath: the folders of their contents, topmost first.
    func unpackLayer(
        _ slot: LayerSlot, onTop beneath: [String], _ options: ImportOptions, _ monitor: ImageMonitor
    ) throws(StoreError) -> UnpackedLayer {
        guard let chainID = slot.chainID else { preconditionFailure("a root filesystem lies on nothing") }
        let unpacked = try stagingLayer { _ in
            LayerID(imageLayer: chainID)
        } body: { (folder: borrowing OwnedFD, path) throws(StoreError) in
            try onDisk { () throws(KernelError) in try folder.makeDirectory(StoreLayout.work, permissions: 0o700) }
            // The overlay ends with its root, before its work folder is removed.
            let result = try unpack(slot, .onTop, into: mergedRoot(of: path, on: beneath), options, monitor)
            _ = try onDisk { () throws(KernelError) in try TreeRemover.remove(StoreLayout.work, in: folder) }
            return result
        }
        guard let unpacked else { preconditionFailure("with the layers beneath, every layer can be unpacked") }
        return unpacked
    }

    private func mergedRoot(of staged: String, on beneath: [String]) throws(StoreError) -> OwnedFD {
        let options: [(key: String, value: String?)] =
            [("userxattr", nil), ("volatile", nil)] + beneath.map { ("lowerdir+", $0) }
            + [("upperdir", "\(staged)/\(StoreLayout.content)"), ("workdir", "\(staged)/\(StoreLayout.work)")]
        return try onDisk { () throws(KernelError) in
            try DetachedMount(
                filesystem: "overlay", options: options, attributes: [.noDevices, .noSetuid, .noExecution]
            ).root()
        }
    }

    /// Makes a layer's folder, lends it and its path to `body`, and completes it.
    /// - Returns: nil, with nothing left, when `body` does.
    private func stagingLayer(
        named name: (BlobFacts) -> LayerID,
        body: (borrowing OwnedFD, _ path: String) throws(StoreError) -> (BlobFacts, ImportLosses)?
    ) throws(StoreError) -> UnpackedLayer? {
        let staged = LayerID.random().path
        var unpacked: UnpackedLayer?
        try stagingFolder(staged) { (folder: borrowing OwnedFD) throws(StoreError) in
            try onDisk { () throws(KernelError) in
                try folder.makeDirectory(StoreLayout.content, permissions: 0o755)
                try folder.setPermissions(of: StoreLayout.content, 0o755)
            }
            let place = path("staging", engine.rawValue, staged.description)
            guard let (facts, losses) = try body(folder, place) else { return }
            let id = name(facts)
            let size = try onDisk { () throws(KernelError) in
                try Manifest.write(LayerRecord(id: id, createdAt: .now).json, as: StoreLayout.layerManifest, in: folder)
                return try TreeSize.measure(folder.openDirectory(StoreLayout.content))
            }
            unpacked = UnpackedLayer(
                id: id, staged: staged, diffID: facts.contentDigest, sizeBytes: size, losses: losses)
        }
        if unpacked == nil { try discardStaged(staged) }
        return unpacked
    }

    /// - Returns: nil when the layers beneath have to be known.
    private func unpack(
        _ slot: LayerSlot, _ role: LayerUnpacker.Role, into root: borrowing OwnedFD, _ options: ImportOptions,
        _ monitor: ImageMonitor
    ) throws(StoreError) -> (BlobFacts, ImportLosses)? {
        do throws(StoreError) {
            let stream = try DecompressedStream(slot.layer.blob, limits: options.limits, monitor: monitor)
            var tar = try TarReader(stream.source)
            var unpacker = try onDisk { () throws(KernelError) in
                try LayerUnpacker(role, into: root, options: options, monitor: monitor)
            }
            try unpacker.unpack(&tar)
            if unpacker.needsLayersBeneath {
                stream.close()
                return nil
            }
            let facts = try stream.finish()
            try slot.verify(facts)
            return (facts, unpacker.losses)
        } catch {
            guard case .imageInvalid(let reason) = error, !slot.isRootfs else { throw error }
            throw .imageInvalid(reason: "layer \(slot.number): \(reason)")
        }
    }
}

extension LayerSlot {
    /// Holds a layer against what the image's manifest and configuration say of it.
    fileprivate func verify(_ facts: BlobFacts) throws(StoreError) {
        if let digest = layer.digest, digest != facts.digest {
            throw .wrongDigest(of: "blob", digest, found: facts.digest)
        }
        if let diffID = layer.diffID {
            if diffID != facts.contentDigest {
                throw .wrongDigest(of: "the unpacked layer", diffID, found: facts.contentDigest)
            }
        } else if !facts.endsAsTar {
            // POSIX ends a tar archive with two blocks of zeros; at least one is there in every writer's output.
            throw .imageInvalid(reason: "the archive was cut off: the blocks that end a tar archive are missing")
        }
    }
}
