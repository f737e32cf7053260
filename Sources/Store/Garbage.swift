import Kernel

/// What no living engine, snapshot, hibernated sandbox or image reference needs.
struct Garbage: Sendable {
    /// Tells an image's folder in the trash from its layer, which bears the same name.
    static let trashedImagePrefix = "image-"

    var deadEngines: [EngineID] = []
    var sandboxes: [SandboxID] = []
    /// Folders of files that a hibernated sandbox's manifest does not name: left by a rollback that was cut short.
    var files: [(sandbox: SandboxID, files: FilesID)] = []
    var layers: [LayerID] = []
    var images: [ImageDigest] = []
    /// Damaged objects whose layers cannot be known.
    var blockedBy: [String] = []
}

// Marking and sweeping. All of this runs under the exclusive lock of the store.
extension Store {
    func findGarbage() throws(StoreError) -> Garbage {
        var garbage = Garbage()
        var live = LiveObjects()
        garbage.deadEngines = try deadEngines()
        try markSandboxes(&live, &garbage)
        let snapshots = try listSnapshots()
        for snapshot in snapshots.records { live.add(snapshot.layers + snapshot.baseLayers, snapshot.image) }
        garbage.blockedBy += snapshots.damaged.map(\.id)
        try markImages(&live, &garbage)
        if garbage.blockedBy.isEmpty {
            garbage.images = try storedImages().filter { !live.images.contains($0) }
            garbage.layers = try unneededLayers(live.layers)
        }
        return garbage
    }

    /// The objects that something needs.
    private struct LiveObjects {
        var layers: Set<LayerID> = []
        var images: Set<ImageDigest> = []

        mutating func add(_ chain: [LayerID], _ image: ImageUse) {
            layers.formUnion(chain)
            layers.formUnion(image.layers)
            if let digest = image.digest { images.insert(digest) }
        }
    }

    private func markSandboxes(_ live: inout LiveObjects, _ garbage: inout Garbage) throws(StoreError) {
        let listing = try listSandboxes()
        garbage.blockedBy += listing.damaged.map(\.id)
        for sandbox in listing.records {
            if try isDead(sandbox) {
                garbage.sandboxes.append(sandbox.id)
                continue
            }
            live.add(sandbox.layers + sandbox.baseLayers, sandbox.image)
            if sandbox.state == .hibernated {
                let all: [FilesID] = try identifiers(in: openSandbox(sandbox.id))
                garbage.files += all.filter { $0 != sandbox.files }.map { (sandbox.id, $0) }
            }
        }
    }

    func isDead(_ sandbox: SandboxRecord) throws(StoreError) -> Bool {
        guard sandbox.state == .running else { return false }
        return try onDisk { () throws(KernelError) in try !EngineLock.isHeld(sandbox.owner, in: engines) }
    }

    private func markImages(_ live: inout LiveObjects, _ garbage: inout Garbage) throws(StoreError) {
        let references = try listReferences()
        garbage.blockedBy += references.damaged.map(\.id)
        let named = Set(references.records.map(\.digest))
        live.images.formUnion(named)
        // The layers of the others are told by the snapshots and sandboxes that stand on them.
        for digest in named {
            do throws(StoreError) {
                live.layers.formUnion(try image(digest).layers)
            } catch {
                garbage.blockedBy.append(digest.rawValue)
            }
        }
    }

    /// Layers that nothing names; a merged layer is needed as well while all that it stands for is.
    private func unneededLayers(_ named: Set<LayerID>) throws(StoreError) -> [LayerID] {
        let all: [LayerID] = try identifiers(in: layers)
        var needed = named
        var merged: [LayerRecord] = []
        for id in all where id.isMerged && !needed.contains(id) {
            if let record = try readableLayerRecord(id) { merged.append(record) }
        }
        for record in merged.sorted(by: { $0.generation < $1.generation })
        where record.replaces.allSatisfy(needed.contains) {
            needed.insert(record.id)
        }
        return all.filter { !needed.contains($0) }
    }

    func deadEngines() throws(StoreError) -> [EngineID] {
        try onDisk { () throws(KernelError) in
            var dead: [EngineID] = []
            for engine in try EngineLock.all(in: engines) where try !EngineLock.isHeld(engine, in: engines) {
                dead.append(engine)
            }
            return dead
        }
    }

    /// The sandboxes that dead engines ran.
    func deadSandboxes() throws(StoreError) -> [SandboxID] {
        var dead: [SandboxID] = []
        for sandbox in try listSandboxes().records where try isDead(sandbox) { dead.append(sandbox.id) }
        return dead
    }

    /// Moves garbage to the trash. What names other things goes before them, so that a crash in between leaves nothing
    /// that names what is gone.
    func sweep(_ garbage: Garbage) throws(StoreError) {
        for id in garbage.sandboxes { try discard(id.path, from: sandboxes) }
        for (sandbox, files) in garbage.files { try discard(files.path, from: openSandbox(sandbox)) }
        for image in garbage.images {
            try discard(image.path, from: images, as: Garbage.trashedImagePrefix + image.path.description)
        }
        for layer in garbage.layers { try discard(layer.path, from: layers) }
        for engine in garbage.deadEngines {
            try discard(engine.path, from: allStaging)
            try onDisk { () throws(KernelError) in try EngineLock.remove(engine, in: engines) }
        }
    }

    /// Moves one object to the trash, if it is there.
    private func discard(
        _ name: FilePath, from folder: borrowing OwnedFD, as label: String? = nil
    ) throws(StoreError) {
        do throws(KernelError) {
            try folder.rename(name, to: trashName(label ?? name.description), in: trash)
        } catch {
            if error.errno != .noSuchFile { throw StoreError(error) }
        }
    }
}
