import Kernel

/// Copies trees of files so that nothing tells the copy from the original: hard links, extended attributes, holes,
/// times to the nanosecond, owners, modes, symlinks, fifos, sockets, and overlayfs's whiteouts.
///
/// Works on open directories only and descends with one descriptor in each tree, so neither path length nor depth is a
/// limit, and no symlink that appears meanwhile leads it elsewhere.
public struct TreeCopier: ~Copyable {
    private var summary = TreeCopySummary()
    private let options: TreeCopyOptions
    private var target: TargetTree
    private var content = FileContentCopier()
    /// Of the directories that the walk is in: what they get when it leaves them, since making entries changes times.
    private var open: [FileMetadata] = []

    private init(into target: borrowing OwnedFD, _ options: TreeCopyOptions) throws(StoreError) {
        self.options = options
        self.target = try onDisk { () throws(KernelError) in try TargetTree(target) }
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
        try copier.copyFile(name, status.kind, in: source, as: newName)
        return copier.summary
    }

    /// Copies everything in `source`, and the folder's own metadata, into the empty folder `target`.
    public static func copyContents(
        of source: borrowing OwnedFD, into target: borrowing OwnedFD, _ options: TreeCopyOptions
    ) throws(StoreError) -> TreeCopySummary {
        var copier = try TreeCopier(into: target, options)
        let root = try onDisk { () throws(KernelError) in try FileMetadata(of: source, options) }
        try TreeWalk.run(source, &copier)
        try onDisk { () throws(KernelError) in try root.apply(to: target) }
        return copier.summary
    }

    private mutating func copyFile(
        _ name: FilePath, _ kind: FileKind, in folder: borrowing OwnedFD, as newName: FilePath
    ) throws(StoreError) {
        if options.isCancelled() { throw .cancelled }
        do throws(KernelError) {
            let isComplete =
                kind == .regular
                ? try copyRegularFile(name, in: folder, as: newName) : try copyNode(name, in: folder, as: newName)
            if isComplete {
                summary.files += 1
                return
            }
        } catch {
            throw explain(error, name, kind)
        }
        throw .cancelled
    }

    /// - Returns: false when cancelled.
    private mutating func copyRegularFile(
        _ name: FilePath, in folder: borrowing OwnedFD, as newName: FilePath
    ) throws(KernelError) -> Bool {
        // Not blocking, in case somebody puts a fifo there meanwhile.
        let source = try folder.open(name, [.read, .noFollow, .nonBlocking])
        let status = try source.status()
        guard status.kind == .regular else { throw KernelError("openat", name.description, errno: .staleHandle) }
        if try target.linkIfKnown(status, as: newName) { return true }
        let copy = try target.current.open(newName, [.write, .create, .exclusive], permissions: 0o600)
        guard try content.copy(source, status, to: copy, isCancelled: options.isCancelled) else { return false }
        try FileMetadata(of: source, status, options).apply(to: copy)
        target.remember(status, as: newName)
        summary.bytes += status.size
        return true
    }

    /// Copies a symlink, fifo, socket or device node.
    /// - Returns: true.
    private mutating func copyNode(
        _ name: FilePath, in folder: borrowing OwnedFD, as newName: FilePath
    ) throws(KernelError) -> Bool {
        let status = try folder.status(of: name)
        if try target.linkIfKnown(status, as: newName) { return true }
        if status.kind == .symlink {
            try target.current.makeSymlink(newName, to: folder.readSymlink(name))
        } else {
            try target.current.makeNode(
                newName, kind: status.kind, permissions: status.permissions, device: status.representedDevice)
        }
        try FileMetadata(status, options).apply(toNode: newName, in: target.current, isSymlink: status.kind == .symlink)
        target.remember(status, as: newName)
        return true
    }

    private func explain(_ error: KernelError, _ name: FilePath, _ kind: FileKind) -> StoreError {
        let path = target.path.appending(name).description
        switch (kind, error.errno) {
        case (.characterDevice, .notPermitted), (.blockDevice, .notPermitted):
            return .notCopyable(path: path, reason: "device nodes cannot be made in a user namespace")
        case (_, .staleHandle):
            return .notCopyable(path: path, reason: "it was replaced by something else while it was being copied")
        default:
            return StoreError(KernelError(error.call, path, errno: error.errno))
        }
    }
}

extension TreeCopier: TreeVisitor {
    public mutating func visit(
        _ name: FilePath, _ kind: FileKind, in folder: borrowing OwnedFD
    ) throws(StoreError) -> Bool {
        if !options.exclude.isEmpty,
            options.exclude.leaveOut(target.path.appending(name), isFolder: kind == .directory)
        {
            return false
        }
        guard kind == .directory else {
            try copyFile(name, kind, in: folder, as: name)
            return false
        }
        if options.isCancelled() { throw .cancelled }
        do throws(KernelError) {
            try target.current.makeDirectory(name, permissions: 0o700)
            if options.unfilled.isEmpty { return true }
            let status = try folder.status(of: name)
            if !options.unfilled.contains(status.identity) { return true }
            try FileMetadata(status, options).apply(toNode: name, in: target.current, isSymlink: false)
            return false
        } catch {
            throw explain(error, name, kind)
        }
    }

    public mutating func entered(_ name: FilePath, _ folder: borrowing OwnedFD) throws(StoreError) {
        do throws(KernelError) {
            open.append(try FileMetadata(of: folder, options))
            try target.descend(into: name)
        } catch {
            throw explain(error, name, .directory)
        }
    }

    public mutating func left(_ name: FilePath, in parent: borrowing OwnedFD) throws(StoreError) {
        do throws(KernelError) {
            try open.removeLast().apply(to: target.current)
            try target.ascend()
        } catch {
            throw explain(error, name, .directory)
        }
    }

    public func failure(_ error: KernelError) -> StoreError {
        StoreError(
            KernelError(
                error.call, target.path.appending(FilePath(verbatim: error.subject)).description, errno: error.errno))
    }
}
