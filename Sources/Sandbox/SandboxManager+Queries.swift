import Kernel
import Store

extension SandboxManager {
    /// A snapshot's record, with the part that this module writes.
    public func snapshotRecord(_ id: String) throws(SandboxError) -> (record: SnapshotRecord, facts: SnapshotFacts) {
        guard let name = SnapshotID(rawValue: id) else { throw .store(.snapshotNotFound(id)) }
        let record = try onStore { () throws(StoreError) in try store.snapshot(name) }
        guard let facts = SnapshotFacts(json: record.config) else {
            throw .store(.snapshotCorrupt(id, reason: "its configuration cannot be read"))
        }
        return (record, facts)
    }

    /// Removes a snapshot; what nothing else names of its layers is deleted in the background.
    public func deleteSnapshot(_ id: String) throws(SandboxError) {
        guard let name = SnapshotID(rawValue: id) else { throw .store(.snapshotNotFound(id)) }
        try onStore { () throws(StoreError) in try store.deleteSnapshot(name) }
        runtimes.drop(name)
        housekeeping.collectGarbage()
    }

    /// Looks after the store when an image was brought in: it shall outlive a power cut, and the image that bore the name before
    /// may not be needed any more.
    public func imageArrived() {
        durability.followStore()
        housekeeping.collectGarbage()
    }

    /// Writes a snapshot into one new file, with its processes; waits until these are on the disk.
    ///
    /// - Returns: the file's size in bytes.
    public func exportSnapshot(
        _ id: String, to path: String, owner: (user: UInt32, group: UInt32),
        isCancelled: @escaping @Sendable () -> Bool
    ) throws(SandboxError) -> Int64 {
        let record = try snapshotRecord(id).record
        durability.finish()
        do throws(StoreError) {
            return try store.exportSnapshot(record.id, to: path, owner: owner, isCancelled: isCancelled)
        } catch {
            throw SandboxError(error, path: path)
        }
    }

    /// Brings an exported snapshot into the store.
    public func importSnapshot(
        from path: String, isCancelled: @escaping @Sendable () -> Bool
    ) throws(SandboxError) -> (record: SnapshotRecord, facts: SnapshotFacts) {
        let record: SnapshotRecord
        do throws(StoreError) {
            record = try store.importSnapshot(from: path, isCancelled: isCancelled)
        } catch {
            throw SandboxError(error, path: path)
        }
        return try snapshotRecord(record.id.rawValue)
    }

    /// Makes a snapshot's files an image.
    public func commitImage(
        _ id: String, as reference: String, isCancelled: @escaping @Sendable () -> Bool
    ) throws(SandboxError) -> ImageRecord {
        let snapshot = try snapshotRecord(id).record.id
        let image = try onStore { () throws(StoreError) in
            try store.commitImage(snapshot, as: reference, isCancelled: isCancelled)
        }
        imageArrived()
        return image
    }

    /// Writes an image as an OCI image layout into a new folder or archive.
    public func exportImage(
        _ reference: String, to path: String, _ compression: LayerCompression, owner: (user: UInt32, group: UInt32),
        monitor: ImageMonitor
    ) throws(SandboxError) -> ExportedImage {
        do throws(StoreError) {
            return try store.exportImage(reference, to: path, compression, owner: owner, monitor: monitor)
        } catch {
            throw SandboxError(error, path: path)
        }
    }

    /// Removes an image's name; its layers are deleted in the background when nothing else names them.
    public func removeImage(_ reference: String) throws(SandboxError) {
        let digest = try onStore { () throws(StoreError) in try store.reference(named: reference).digest }
        try onStore { () throws(StoreError) in try store.removeImage(named: reference) }
        readyRoots.forget(digest)
        housekeeping.collectGarbage()
    }

    /// Changes the time without requests after which a sandbox is put away; 0 for never.
    public func setIdleTimeout(_ sandbox: Sandbox, seconds: Int) throws(SandboxError) {
        try sandbox.changingRecord.withLock { _ throws(SandboxError) in
            let (status, record) = sandbox.state.withLock { state in
                state.config.idleTimeoutSec = seconds
                state.record.config = state.config.json
                return (state.status, state.record)
            }
            if status == .destroyed { throw .destroyed(id: sandbox.id) }
            try onStore { () throws(StoreError) in try store.updateSandbox(record) }
        }
    }

    /// Bytes on disk of what the sandbox itself has changed: its upper and the layers that were sealed from it, and files
    /// without a name that its processes hold open.
    public func diskUsage(of sandbox: Sandbox) throws(SandboxError) -> Int64 {
        let (record, incarnation) = sandbox.state.withLock { ($0.record, $0.incarnation) }
        let named = try onStore { () throws(StoreError) in try store.diskUsage(of: record) }
        guard let incarnation else { return named }
        return named + (try onKernel { () throws(KernelError) in try incarnation.deletedFileBytes() })
    }

    // MARK: Differences

    /// What changed in a sandbox's files since a snapshot, or since its image.
    public func changes(of sandbox: Sandbox, since snapshot: String?) throws(SandboxError) -> [LayerChange] {
        if sandbox.status != .hibernated { _ = try sandbox.running() }
        let record = sandbox.state.withLock { $0.record }
        let before: DiffSide =
            if let snapshot { .snapshot(try snapshotRecord(snapshot).record) } else { .image(record.image) }
        return try difference(before, .sandbox(record), image: record.image)
    }

    /// What changed in the files from one snapshot to another.
    public func changes(from before: String, to after: String) throws(SandboxError) -> [LayerChange] {
        let (old, new) = (try snapshotRecord(before).record, try snapshotRecord(after).record)
        if old.image.digest != new.image.digest {
            throw .snapshotIncompatible(
                id: after, reason: "it stands on image \(new.image.reference), \(before) on \(old.image.reference)")
        }
        return try difference(.snapshot(old), .snapshot(new), image: new.image)
    }

    func difference(
        _ before: DiffSide, _ after: DiffSide, image: ImageUse
    ) throws(SandboxError) -> [LayerChange] {
        _ = try bases.base(of: image)
        let base = image.digest == nil ? bases.hostFolders() : []
        return try onStore { () throws(StoreError) in try store.diff(from: before, to: after, base: base) }
    }
}
