import Kernel

/// Copies trees of files so that nothing tells the copy from the original: hard links, extended attributes, holes,
/// times to the nanosecond, owners, modes, symlinks, fifos, sockets, and overlayfs's whiteouts.
///
/// Works on open directories only and descends with one descriptor in each tree, so neither path length nor depth is a
/// limit, and no symlink that appears meanwhile leads it elsewhere.
public struct TreeCopier: ~Copyable {
    private var entries: EntryCopier
    /// Of the directories that the walk is in: what they get when it leaves them, since making entries changes times.
    private var open: [FileMetadata] = []

    private init(into target: borrowing OwnedFD, _ options: TreeCopyOptions) throws(StoreError) {
        entries = try EntryCopier(into: target, options)
    }

    /// Copies one entry, of any kind and with everything below it, to a name that must not exist yet.
    ///
    /// - Parameters:
    ///   - source: the folder that holds `name`.
    ///   - target: the folder that gets `newName`.
    /// - Throws: `cancelled`, `notCopyable`, `noSpace`, `kernel` with the path below `name`. What was copied by then is
    ///   left for the caller to remove.
    public static func copy(
        _ name: FilePath, in source: borrowing OwnedFD, to newName: FilePath, in target: borrowing OwnedFD,
        _ options: TreeCopyOptions
    ) throws(StoreError) -> TreeCopySummary {
        let status = try onDisk { () throws(KernelError) in try source.status(of: name) }
        if status.kind == .directory {
            let folder = try source.openFolder(name)
            try onDisk { () throws(KernelError) in try target.makeDirectory(newName, permissions: 0o700) }
            return try copyContents(of: folder, into: target.openFolder(newName), options)
        }
        var copier = try TreeCopier(into: target, options)
        try copier.entries.copy(name, status.kind, in: source, as: newName)
        return copier.entries.summary
    }

    /// Copies everything in `source`, and the folder's own metadata, into the empty folder `target`.
    public static func copyContents(
        of source: borrowing OwnedFD, into target: borrowing OwnedFD, _ options: TreeCopyOptions
    ) throws(StoreError) -> TreeCopySummary {
        var copier = try TreeCopier(into: target, options)
        let root = try onDisk { () throws(KernelError) in try FileMetadata(of: source, options) }
        try TreeWalk.run(source, &copier)
        try onDisk { () throws(KernelError) in try root.apply(to: target) }
        return copier.entries.summary
    }
}

extension TreeCopier: TreeVisitor {
    public mutating func visit(
        _ name: FilePath, _ kind: FileKind, in folder: borrowing OwnedFD
    ) throws(StoreError) -> Bool {
        if !entries.options.exclude.isEmpty,
            entries.options.exclude.leaveOut(entries.target.path.appending(name), isFolder: kind == .directory)
        {
            return false
        }
        guard kind == .directory else {
            try entries.copy(name, kind, in: folder, as: name)
            return false
        }
        if entries.options.isCancelled() { throw .cancelled }
        do throws(KernelError) {
            try entries.target.current.makeDirectory(name, permissions: 0o700)
            if entries.options.unfilled.isEmpty { return true }
            let status = try folder.status(of: name)
            if !entries.options.unfilled.contains(status.identity) { return true }
            try FileMetadata(status, entries.options).apply(toNode: name, in: entries.target.current, isSymlink: false)
            return false
        } catch {
            throw entries.explain(error, name, kind)
        }
    }

    public mutating func entered(_ name: FilePath, _ folder: borrowing OwnedFD) throws(StoreError) {
        do throws(KernelError) {
            open.append(try FileMetadata(of: folder, entries.options))
            try entries.target.descend(into: name)
        } catch {
            throw entries.explain(error, name, .directory)
        }
    }

    public mutating func left(_ name: FilePath, in parent: borrowing OwnedFD) throws(StoreError) {
        do throws(KernelError) {
            try open.removeLast().apply(to: entries.target.current)
            try entries.target.ascend()
        } catch {
            throw entries.explain(error, name, .directory)
        }
    }

    public func failure(_ error: KernelError) -> StoreError { entries.explain(error) }
}
