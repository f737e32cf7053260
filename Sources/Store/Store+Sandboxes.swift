import Kernel

extension Store {
    /// Makes a sandbox's folder, with an empty upper on top of `new.layers` and the image; it belongs to this engine.
    ///
    /// On failure nothing is left behind but `staged`.
    /// - Parameter staged: what `copyUpper` made, the topmost of `new.layers`; the sandbox takes it over.
    /// - Throws: when a layer is missing, `snapshotNotFound` or `snapshotCorrupt` if `new.parentSnapshot` names where it
    ///   should have come from, else `storeCorrupt`; `noSpace`, `kernel`.
    public func createSandbox(
        _ new: NewSandbox, adding staged: StagedLayer? = nil
    ) throws(StoreError) -> SandboxRecord {
        let record = SandboxRecord(
            id: new.id, name: new.name, labels: new.labels, state: .running, owner: engine, image: new.image,
            layers: try shortened(new.layers), baseLayers: new.baseLayers, files: new.files ?? .random(),
            overlayMountPoints: new.overlayMountPoints,
            createdAt: .now, parentSnapshot: new.parentSnapshot, config: new.config)
        try stagingFolder(record.id.path) { (folder: borrowing OwnedFD) throws(StoreError) in
            let origin =
                if let staged {
                    try staging.openFolder(staged.id.path).openFolder(StoreLayout.content)
                } else {
                    try topRoot(layers: record.layers, image: record.image)
                }
            do throws(KernelError) {
                if let files = new.files {
                    try staging.rename(files.path, to: files.path, in: folder)
                } else {
                    try placeFiles(record.files, in: folder, mountPoints: record.overlayMountPoints, like: origin)
                }
                try Manifest.write(record.json, as: StoreLayout.sandboxManifest, in: folder)
            } catch {
                throw StoreError(error)
            }
            try changing { () throws(StoreError) in
                if let staged { try publish(staged.id.path, in: layers) }
                try requireLayers(record.layers + record.baseLayers + record.image.layers, of: record.parentSnapshot)
                try publish(record.id.path, in: sandboxes)
            }
        }
        return record
    }

    /// - Throws: `sandboxNotFound`, `sandboxCorrupt`, `newerVersion`.
    public func sandbox(_ id: SandboxID) throws(StoreError) -> SandboxRecord {
        try Manifest.read(
            FilePath(verbatim: "\(id)/\(StoreLayout.sandboxManifest)"), in: sandboxes, of: "Sandbox \(id)",
            ifMissing: .sandboxNotFound(id.rawValue), ifCorrupt: { .sandboxCorrupt(id.rawValue, reason: $0) },
            SandboxRecord.init(json:))
    }

    /// The sandboxes of all engines, in no order; damaged ones are told apart.
    public func listSandboxes() throws(StoreError) -> Listing<SandboxRecord> {
        try list(sandboxes) { (id: SandboxID) throws(StoreError) in try sandbox(id) }
    }

    /// Replaces the sandbox's record in one step; name, labels, state, parent and config may have changed.
    public func updateSandbox(_ record: SandboxRecord) throws(StoreError) {
        try changing { () throws(StoreError) in try replaceManifest(of: record) }
    }

    /// As `updateSandbox`, and publishes a layer that the record names from now on.
    public func updateSandbox(_ record: SandboxRecord, adding staged: StagedLayer) throws(StoreError) {
        try changing { () throws(StoreError) in
            try publish(staged.id.path, in: layers)
            try replaceManifest(of: record)
        }
    }

    /// Takes over a hibernated sandbox: from here on it is running and this engine's.
    ///
    /// Of several engines that try, one succeeds.
    /// - Throws: `sandboxNotFound`, `sandboxInUse` when it is running elsewhere.
    public func claimHibernated(_ id: SandboxID) throws(StoreError) -> SandboxRecord {
        let folder = try openSandbox(id)
        try onDisk { () throws(KernelError) in try folder.lock(.exclusive) }
        // Read under the lock: whoever claimed it before has written its name by now.
        var record = try sandbox(id)
        guard record.state == .hibernated else { throw .sandboxInUse(id, engine: record.owner) }
        record.state = .running
        record.owner = engine
        try updateSandbox(record)
        return record
    }

    /// Removes a sandbox; its files go to the trash, which `emptyTrash` deletes.
    /// - Throws: `sandboxNotFound`.
    public func deleteSandbox(_ id: SandboxID) throws(StoreError) {
        try moveToTrash(id.path, from: sandboxes, ifMissing: .sandboxNotFound(id.rawValue))
    }

    /// Prepares an empty upper beside the present one, for a rollback.
    ///
    /// - Parameter layers: what it will stand on; only the topmost layer's root is looked at.
    /// - Returns: the folder's name, to be passed to `switchFiles`, or to `discardFiles` if it comes to nothing.
    public func prepareFiles(for sandbox: SandboxRecord, on layers: [LayerID]) throws(StoreError) -> FilesID {
        let files = FilesID.random()
        let origin = try topRoot(layers: layers, image: sandbox.image)
        try makeFiles(files, of: sandbox, like: origin)
        return files
    }

    /// Prepares an empty upper to stand on the present one, which must not change until it is sealed.
    ///
    /// - Returns: the folder's name, to be passed to `seal`, or to `discardFiles` if it comes to nothing.
    public func prepareFilesForSeal(of sandbox: SandboxRecord) throws(StoreError) -> FilesID {
        let files = FilesID.random()
        try makeFiles(files, of: sandbox, like: openUpper(of: sandbox))
        return files
    }

    /// Puts prepared files in the place of the present ones, in one step: a rollback.
    ///
    /// - Parameters:
    ///   - layers: what the prepared upper stands on, topmost first.
    ///   - parentSnapshot: the snapshot that the sandbox's files now come from.
    /// - Returns: the previous folder of files; pass it to `discardFiles` once nothing has it mounted.
    public func switchFiles(
        of sandbox: inout SandboxRecord, to prepared: FilesID, layers: [LayerID], parentSnapshot: SnapshotID?
    ) throws(StoreError) -> FilesID {
        var next = sandbox
        next.files = prepared
        next.layers = try shortened(layers)
        next.parentSnapshot = parentSnapshot
        try changing { () throws(StoreError) in
            try requireLayers(next.layers + next.image.layers, of: parentSnapshot)
            try replaceManifest(of: next, leaving: openSandbox(sandbox.id).openFolder(sandbox.files.path))
        }
        let previous = sandbox.files
        sandbox = next
        return previous
    }

    /// Moves a folder of files that the sandbox no longer uses, or never did, to the trash.
    public func discardFiles(_ files: FilesID, of sandbox: SandboxID) throws(StoreError) {
        try changing { () throws(StoreError) in
            let folder = try openSandbox(sandbox)
            try onDisk { () throws(KernelError) in
                try folder.rename(files.path, to: trashName(files.rawValue), in: trash)
            }
        }
    }

    /// Gives the present folder of files fresh work folders, for mounting it again; the old ones go to the trash.
    public func renewWork(of sandbox: SandboxRecord) throws(StoreError) {
        let files = try openSandbox(sandbox.id).openFolder(sandbox.files.path)
        try changing { () throws(StoreError) in
            try onDisk { () throws(KernelError) in
                try files.rename(StoreLayout.work, to: trashName("work"), in: trash)
                try SandboxFiles.makeWork(in: files, overlays: 1 + sandbox.overlayMountPoints.count)
            }
        }
    }

    /// The writable sides of a sandbox's overlays, the root's first, with the given folder of files or the present one.
    public func overlays(of sandbox: SandboxRecord, files: FilesID? = nil) -> [SandboxOverlay] {
        let folder = path("sandboxes", sandbox.id.rawValue, (files ?? sandbox.files).rawValue)
        let mountPoints: [FilePath] = ["/"] + sandbox.overlayMountPoints
        return mountPoints.enumerated().map { number, mountPoint in
            let below = number == 0 ? "" : "/" + mountPoint.components.map(\.description).joined(separator: "/")
            return SandboxOverlay(
                mountPoint: mountPoint, upper: "\(folder)/upper\(below)",
                work: "\(folder)/work/\(SandboxFiles.workName(number))")
        }
    }

    private func replaceManifest(of record: SandboxRecord) throws(StoreError) {
        let folder = try openSandbox(record.id)
        try onDisk { () throws(KernelError) in
            // Of a running sandbox only its engine's crash has to be survived: a power cut is its end.
            try Manifest.replace(
                record.json, as: StoreLayout.sandboxManifest, in: folder, isFlushed: record.state == .hibernated)
        }
    }

    /// As above, for a running sandbox that leaves a folder of files; the former manifest goes there.
    func replaceManifest(of record: SandboxRecord, leaving files: borrowing OwnedFD) throws(StoreError) {
        let folder = try openSandbox(record.id)
        try onDisk { () throws(KernelError) in
            try Manifest.replace(record.json, as: StoreLayout.sandboxManifest, in: folder, movingFormerTo: files)
        }
    }

    /// The sandbox's folder.
    func openSandbox(_ id: SandboxID) throws(StoreError) -> OwnedFD {
        do throws(KernelError) {
            return try sandboxes.openDirectory(id.path)
        } catch {
            if error.errno == .noSuchFile { throw .sandboxNotFound(id.rawValue) }
            throw StoreError(error)
        }
    }
}
