import Kernel

/// Copies single entries of a tree to another one that is being written.
struct EntryCopier: ~Copyable {
    private(set) var summary = TreeCopySummary()
    let options: TreeCopyOptions
    var target: TargetTree
    private var content = FileContentCopier()

    init(into target: borrowing OwnedFD, _ options: TreeCopyOptions) throws(StoreError) {
        self.options = options
        self.target = try onDisk { () throws(KernelError) in try TargetTree(target) }
    }

    /// Copies what is no directory to the current directory of the target.
    ///
    /// - Returns: its status before its content was read.
    @discardableResult
    mutating func copy(
        _ name: FilePath, _ kind: FileKind, in folder: borrowing OwnedFD, as newName: FilePath
    ) throws(StoreError) -> FileStatus {
        if options.isCancelled() { throw .cancelled }
        do throws(KernelError) {
            let status =
                kind == .regular
                ? try copyRegularFile(name, in: folder, as: newName) : try copyNode(name, in: folder, as: newName)
            if let status {
                summary.files += 1
                return status
            }
        } catch {
            throw explain(error, name, kind)
        }
        throw .cancelled
    }

    /// Counts an entry that the target has already.
    ///
    /// - Returns: false when further names of the file were copied anew, so that this one is to be as well.
    mutating func keep(_ name: FilePath, _ status: FileStatus) -> Bool {
        let isFirstName = !target.knows(status)
        guard target.keep(status, as: name) else { return false }
        summary.files += 1
        if status.kind == .regular, isFirstName { summary.bytes += status.size }
        return true
    }

    /// - Returns: nil when cancelled.
    private mutating func copyRegularFile(
        _ name: FilePath, in folder: borrowing OwnedFD, as newName: FilePath
    ) throws(KernelError) -> FileStatus? {
        let source = try folder.openToCopy(name)
        let status = try source.status()
        guard status.kind == .regular else { throw KernelError("openat", name.description, errno: .staleHandle) }
        if try target.linkIfKnown(status, as: newName) { return status }
        let copy = try target.current.open(newName, [.write, .create, .exclusive], permissions: 0o600)
        guard try content.copy(source, status, to: copy, isCancelled: options.isCancelled) else { return nil }
        try FileMetadata(of: source, status, options).apply(to: copy)
        target.remember(status, as: newName)
        summary.bytes += status.size
        return status
    }

    /// Copies a symlink, fifo, socket or device node.
    private mutating func copyNode(
        _ name: FilePath, in folder: borrowing OwnedFD, as newName: FilePath
    ) throws(KernelError) -> FileStatus {
        let status = try folder.status(of: name)
        if try target.linkIfKnown(status, as: newName) { return status }
        if status.kind == .symlink {
            try target.current.makeSymlink(newName, to: folder.readSymlink(name))
        } else {
            try target.current.makeNode(
                newName, kind: status.kind, permissions: status.permissions, device: status.representedDevice)
        }
        try FileMetadata(status, options).apply(toNode: newName, in: target.current, isSymlink: status.kind == .symlink)
        target.remember(status, as: newName)
        return status
    }

    func explain(_ error: KernelError, _ name: FilePath, _ kind: FileKind) -> StoreError {
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

    /// As `explain`, of an entry of the directory that a walk is reading.
    func explain(_ error: KernelError) -> StoreError {
        StoreError(
            KernelError(
                error.call, target.path.appending(FilePath(verbatim: error.subject)).description, errno: error.errno))
    }
}
