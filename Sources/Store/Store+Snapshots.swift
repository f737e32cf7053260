import Kernel

extension Store {
    /// Lets a snapshot appear, in one step, with all that it consists of.
    ///
    /// - Parameters:
    ///   - record: its `layers` begin with the staged layer, if there is one.
    ///   - staged: what `copyUpper` made; the snapshot takes it over. On failure it is removed.
    /// - Throws: `storeCorrupt` when a layer is missing; `noSpace`, `kernel`. On failure nothing is left behind.
    public func createSnapshot(_ record: SnapshotRecord, adding staged: StagedLayer? = nil) throws(StoreError) {
        precondition(staged == nil || record.layers.first == staged?.id, "a staged layer is the snapshot's topmost")
        do throws(StoreError) {
            try stagingFolder(record.id.path) { (folder: borrowing OwnedFD) throws(StoreError) in
                try onDisk { () throws(KernelError) in
                    try Manifest.write(record.json, as: StoreLayout.manifest, in: folder)
                }
                try changing { () throws(StoreError) in
                    if let staged { try publish(staged.id.path, in: layers) }
                    try requireLayers(record.layers + record.image.layers)
                    try publish(record.id.path, in: snapshots)
                }
            }
        } catch {
            if let staged { try discardStaged(staged.id.path) }
            throw error
        }
    }

    /// - Throws: `snapshotNotFound`, `snapshotCorrupt` when its manifest is damaged, `newerVersion`.
    public func snapshot(_ id: SnapshotID) throws(StoreError) -> SnapshotRecord {
        try Manifest.read(
            FilePath(verbatim: "\(id)/\(StoreLayout.manifest)"), in: snapshots, of: "Snapshot \(id)",
            ifMissing: .snapshotNotFound(id.rawValue), ifCorrupt: { .snapshotCorrupt(id.rawValue, reason: $0) },
            SnapshotRecord.init(json:))
    }

    /// All snapshots, newest first; damaged ones are told apart.
    public func listSnapshots() throws(StoreError) -> Listing<SnapshotRecord> {
        var listing = try list(snapshots) { (id: SnapshotID) throws(StoreError) in try snapshot(id) }
        listing.records.sort {
            ($0.createdAt.nanoseconds, $0.id.rawValue) > ($1.createdAt.nanoseconds, $1.id.rawValue)
        }
        return listing
    }

    /// Removes a snapshot, damaged or not. Its layers stay until `collectGarbage` finds that nothing else names them.
    /// - Throws: `snapshotNotFound`, also for a second deletion.
    public func deleteSnapshot(_ id: SnapshotID) throws(StoreError) {
        try moveToTrash(id.path, from: snapshots, ifMissing: .snapshotNotFound(id.rawValue))
    }
}
