import Kernel

extension Store {
    /// Writes a snapshot, with all that is needed to restore it elsewhere, into a new file.
    ///
    /// - Parameters:
    ///   - path: on the host, absolute.
    ///   - owner: who the file shall belong to, by the ids of the engine's user namespace.
    /// - Returns: the file's size in bytes.
    /// - Throws: `snapshotNotFound`, `snapshotCorrupt`, `programMissing`, `cancelled`, `noSpace`, `kernel` with the path when
    ///   it cannot be written or is taken. On failure there is no file.
    public func exportSnapshot(
        _ id: SnapshotID, to path: String, owner: (user: UInt32, group: UInt32),
        isCancelled: @escaping @Sendable () -> Bool
    ) throws(StoreError) -> Int64 {
        let record = try snapshot(id)
        let target = try ExportTarget.make(path, owner: owner)
        var members = ["\(StoreLayout.snapshots)/\(id)"]
        for layer in record.layers + record.image.layers { members.append("\(StoreLayout.layers)/\(layer)") }
        if let image = record.image.digest { members.append("\(StoreLayout.images)/\(image.path)") }
        do throws(StoreError) {
            try SnapshotArchive.write(members, of: self.path, to: target.temporaryPath, isCancelled: isCancelled)
            return try target.publishFile()
        } catch {
            target.discard()
            // What it needs may have been deleted meanwhile.
            _ = try snapshot(id)
            throw error
        }
    }

    /// Brings an exported snapshot into the store.
    ///
    /// It keeps its id, unless a snapshot of that id is there already: then it gets a new one.
    /// - Throws: `snapshotCorrupt`, `newerVersion`, `programMissing`, `cancelled`, `noSpace`, `kernel`. On failure nothing is left.
    public func importSnapshot(
        from path: String, isCancelled: @escaping @Sendable () -> Bool
    ) throws(StoreError) -> SnapshotRecord {
        // Asked first: whoever names a wrong path is told so.
        _ = try onDisk { () throws(KernelError) in try OwnedFD.open(FilePath(verbatim: path), .read) }
        let name = FilePath(verbatim: "import-\(randomHex16())")
        try onDisk { () throws(KernelError) in try staging.makeDirectory(name, permissions: 0o700) }
        do throws(StoreError) {
            try SnapshotArchive.read(
                path, into: self.path("staging", engine.rawValue, name.description), isCancelled: isCancelled)
            let record = try publishImport(try staging.openFolder(name), from: path)
            try discardStaged(name)
            return record
        } catch {
            try discardStaged(name)
            throw error
        }
    }

    private func publishImport(_ folder: consuming OwnedFD, from path: String) throws(StoreError) -> SnapshotRecord {
        func damaged(_ reason: String) -> StoreError {
            .snapshotCorrupt("", reason: "\(path) is no export of a snapshot: \(reason)")
        }
        guard
            let importedSnapshots = try onDisk({ () throws(KernelError) in
                try folder.openDirectoryIfPresent(StoreLayout.snapshots)
            })
        else { throw damaged("there is no snapshot in it") }
        let ids: [SnapshotID] = try identifiers(in: importedSnapshots)
        guard let id = ids.first, ids.count == 1 else { throw damaged("there are \(ids.count) snapshots in it") }
        var record = try Manifest.read(
            FilePath(verbatim: "\(id)/\(StoreLayout.manifest)"), in: importedSnapshots, of: "The snapshot in \(path)",
            ifMissing: damaged("its manifest is missing"), ifCorrupt: { damaged($0) }, SnapshotRecord.init(json:))
        if record.id != id { throw damaged("its manifest is that of another one") }
        try changing { () throws(StoreError) in
            for layer in Set(record.layers + record.image.layers) { try publish(layer, from: folder) }
            try requireLayers(record.layers + record.image.layers)
            if let image = record.image.digest { try publish(image, from: folder) }
            let isTaken = try onDisk { () throws(KernelError) in try snapshots.statusIfPresent(of: id.path) != nil }
            if isTaken { record = record.renamed() }
            let published = record
            try onDisk { () throws(KernelError) in
                if isTaken {
                    try Manifest.replace(
                        published.json, as: StoreLayout.manifest, in: importedSnapshots.openDirectory(id.path),
                        isFlushed: false)
                }
                try importedSnapshots.rename(id.path, to: published.id.path, in: snapshots, ifTaken: .refuse)
            }
        }
        return record
    }

    /// A layer with the same id is the same layer.
    private func publish(_ layer: LayerID, from folder: borrowing OwnedFD) throws(StoreError) {
        try publish(layer.path, of: StoreLayout.layers, from: folder, in: layers)
    }

    /// An image with the same digest is the same image. It has no name here: that is the importer's to give.
    private func publish(_ image: ImageDigest, from folder: borrowing OwnedFD) throws(StoreError) {
        try publish(image.path, of: StoreLayout.images, from: folder, in: images)
        let record = try self.image(image)
        try requireLayers(record.layers)
    }

    private func publish(
        _ name: FilePath, of kind: FilePath, from folder: borrowing OwnedFD, in target: borrowing OwnedFD
    ) throws(StoreError) {
        do throws(KernelError) {
            try folder.rename(kind.appending(name), to: name, in: target, ifTaken: .refuse)
        } catch {
            if error.errno != .exists && error.errno != .noSuchFile { throw StoreError(error) }
        }
    }
}

extension SnapshotRecord {
    /// The same with a new id.
    fileprivate func renamed() -> SnapshotRecord {
        SnapshotRecord(
            name: name, labels: labels, sandbox: sandbox, parentSnapshot: parentSnapshot, image: image, layers: layers,
            createdAt: createdAt, sizeBytes: sizeBytes, config: config)
    }
}
