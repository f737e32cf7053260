import Kernel

/// What `Store.collectGarbage` removed, or would remove.
public struct GarbageReport: Sendable, Equatable {
    /// Disk space given back, in bytes.
    public var freedBytes: Int64 = 0
    public var snapshots = 0
    public var sandboxes = 0
    public var layers = 0
    public var images = 0
    /// Directory entries of all of these.
    public var files: Int64 = 0
    /// Damaged objects whose layers cannot be known: while there are any, no layer and no image is removed.
    public var blockedBy: [String] = []
}

extension Store {
    /// Removes what dead engines left, what no snapshot, sandbox or image reference names, and what was deleted before.
    ///
    /// The store is locked while the garbage is found and moved to the trash, for milliseconds; the deletion comes after.
    /// - Parameter dryRun: only tell what would be removed.
    /// - Throws: `storeLocked`, `noSpace`, `kernel`.
    public func collectGarbage(dryRun: Bool = false) throws(StoreError) -> GarbageReport {
        let lock = try StoreLock.take(.exclusive, in: root, storePath: path)
        let garbage = try findGarbage()
        if !dryRun { try sweep(garbage) }
        let trashed = try onDisk { () throws(KernelError) in try trash.entries().map(\.name) }
        lock.release()

        var report = GarbageReport(blockedBy: garbage.blockedBy)
        for name in trashed { report.count(trashed: name) }
        if dryRun {
            report.sandboxes += garbage.sandboxes.count
            report.layers += garbage.layers.count
            report.images += garbage.images.count
            let size = try measure(garbage, trashed)
            report.freedBytes = size.freedBytes
            report.files = size.entries
        } else {
            let removed = try emptyTrash()
            report.freedBytes = removed.freedBytes
            report.files = removed.entries
        }
        return report
    }

    /// Deletes what lies in the trash, however large it is; call it on a background thread after deletions.
    ///
    /// Only one thread of all engines deletes at a time; others wait.
    /// - Parameter isCancelled: asked between objects; what is left then waits for the next call.
    @discardableResult
    public func emptyTrash(
        isCancelled: @Sendable () -> Bool = { false }
    ) throws(StoreError) -> (freedBytes: Int64, entries: Int64) {
        try onDisk { () throws(KernelError) in
            // A description of its own: the lock ends with it.
            let folder = try trash.open(".", [.read, .directory])
            try folder.lock(.exclusive)
            var total: (freedBytes: Int64, entries: Int64) = (0, 0)
            for entry in try folder.entries() {
                if isCancelled() { break }
                let removed = try TreeRemover.remove(entry.name, in: folder)
                total.freedBytes += removed.freedBytes
                total.entries += removed.entries
            }
            return total
        }
    }

    /// Removes what dead engines left: sandboxes that they ran, and what they were making. Layers stay.
    func recover() throws(StoreError) {
        let lock = try StoreLock.take(.exclusive, in: root, storePath: path)
        var garbage = Garbage(deadEngines: try deadEngines())
        if !garbage.deadEngines.isEmpty { garbage.sandboxes = try deadSandboxes() }
        try sweep(garbage)
        lock.release()
    }

    private func measure(
        _ garbage: Garbage, _ trashed: [FilePath]
    ) throws(StoreError) -> (freedBytes: Int64, entries: Int64) {
        var size = FreeableSize()
        do throws(KernelError) {
            for id in garbage.sandboxes { try size.add(id.path, in: sandboxes) }
            for (sandbox, files) in garbage.files {
                try size.add(FilePath(verbatim: "\(sandbox)/\(files)"), in: sandboxes)
            }
            for layer in garbage.layers { try size.add(layer.path, in: layers) }
            for image in garbage.images { try size.add(image.path, in: images) }
            for engine in garbage.deadEngines { try size.add(engine.path, in: allStaging) }
            for name in trashed { try size.add(name, in: trash) }
        } catch {
            throw StoreError(error)
        }
        return (size.bytes, size.entries)
    }
}

extension GarbageReport {
    /// Counts an object by its name in the trash: its own name, a dash and 16 digits.
    fileprivate mutating func count(trashed name: FilePath) {
        let name = String(name.description.dropLast(17))
        if SnapshotID(rawValue: name) != nil { snapshots += 1 }
        if SandboxID(rawValue: name) != nil { sandboxes += 1 }
        if name.hasPrefix(Garbage.trashedImagePrefix) { images += 1 }
        if LayerID(rawValue: name) != nil { layers += 1 }
    }
}

/// Measures what deleting several trees would give back: a file counts when all of its names are in them.
private struct FreeableSize: TreeVisitor {
    private(set) var bytes: Int64 = 0
    private(set) var entries: Int64 = 0
    private var namesSeen: [FileIdentity: UInt64] = [:]

    /// Adds everything at and below `name`; nothing when it is gone meanwhile.
    mutating func add(_ name: FilePath, in folder: borrowing OwnedFD) throws(KernelError) {
        do throws(KernelError) {
            let status = try folder.status(of: name)
            count(status)
            if status.kind == .directory { try TreeWalk.run(folder.openDirectory(name), &self) }
        } catch {
            if error.errno != .noSuchFile { throw error }
        }
    }

    mutating func visit(
        _ name: FilePath, _ kind: FileKind, in folder: borrowing OwnedFD
    ) throws(KernelError) -> Bool {
        let status = try folder.status(of: name)
        count(status)
        return status.kind == .directory
    }

    private mutating func count(_ status: FileStatus) {
        entries += 1
        if status.kind != .directory, status.linkCount > 1 {
            namesSeen[status.identity, default: 0] += 1
            if namesSeen[status.identity] != status.linkCount { return }
        }
        bytes += status.allocatedSize
    }
}
