import Kernel

/// Writes a layer as the archive that images have it in: what overlayfs marks as gone becomes entries `.wh.NAME` and
/// `.wh..wh..opq` (OCI image specification, layer.md, "Whiteouts"), and its other marks go.
struct LayerArchiver: ~Copyable {
    private var tar: TarWriter
    private let monitor: ImageMonitor
    /// The folders from the root to the one that the walk is in.
    private var folders: [Folder] = []
    /// Files with several names, by the first that was met.
    private var linked: [FileIdentity: FilePath] = [:]

    private struct Folder {
        let path: FilePath
        let mayHoldWhiteoutFiles: Bool
    }

    /// - Parameter root: the layer's content.
    /// - Throws: `cancelled`; `notCopyable` for what images cannot hold; `noSpace`, `kernel`.
    static func write(
        _ root: borrowing OwnedFD, into blob: consuming BlobWriter, _ monitor: ImageMonitor
    ) throws(StoreError) -> WrittenBlob {
        var archiver = LayerArchiver(TarWriter(blob, monitor), monitor)
        try archiver.addFolder(root, at: "")
        try TreeWalk.run(root, &archiver)
        return try archiver.finish()
    }

    private init(_ tar: consuming TarWriter, _ monitor: ImageMonitor) {
        self.tar = tar
        self.monitor = monitor
    }

    private consuming func finish() throws(StoreError) -> WrittenBlob { try tar.finish() }

    private func path(of name: FilePath) -> FilePath { folders.last.map { $0.path.appending(name) } ?? name }

    // MARK: Entries

    private mutating func addFolder(_ folder: borrowing OwnedFD, at path: FilePath) throws(StoreError) {
        let header = try reading(path) { () throws(KernelError) in
            try describe(path.isEmpty ? "." : path, .directory, folder.status(), attributes(of: folder))
        }
        let mark = try reading(path) { () throws(KernelError) in
            try folder.extendedAttribute(OverlayAttribute.opaque)
        }
        try tar.add(header)
        folders.append(
            Folder(path: path, mayHoldWhiteoutFiles: mark == OverlayAttribute.mayHoldWhiteoutFiles))
        if mark == OverlayAttribute.hidesLower { try addMark(path.appending(LayerUnpacker.opaqueMark)) }
    }

    private mutating func addFile(_ name: FilePath, _ path: FilePath, in folder: borrowing OwnedFD) throws(StoreError) {
        // Not blocking, although nobody should have put a fifo there.
        let file = try reading(path) { () throws(KernelError) in
            try folder.open(name, [.read, .noFollow, .nonBlocking])
        }
        let status = try reading(path) { () throws(KernelError) in try file.status() }
        if status.size == 0, folders.last?.mayHoldWhiteoutFiles == true {
            let mark = try reading(path) { () throws(KernelError) in
                try file.extendedAttribute(OverlayAttribute.whiteout)
            }
            if mark != nil { return try addDeletion(of: name) }
        }
        if try addLink(path, status) { return }
        let content = try reading(path) { () throws(KernelError) in try Self.content(of: file, status) }
        let attributes = try reading(path) { () throws(KernelError) in try self.attributes(of: file) }
        try tar.add(describe(path, .regular(content), status, attributes), content, of: file)
    }

    private mutating func addNode(_ name: FilePath, _ path: FilePath, in folder: borrowing OwnedFD) throws(StoreError) {
        let status = try reading(path) { () throws(KernelError) in try folder.status(of: name) }
        switch status.kind {
        case .characterDevice where status.representedDevice == 0: return try addDeletion(of: name)
        case .characterDevice, .blockDevice:
            throw .notCopyable(path: path.description, reason: "it is a device node, which no layer may hold")
        // An archive cannot hold sockets, and without the process behind it one is of no use.
        case .socket: return
        case .symlink, .fifo, .regular, .directory: break
        }
        if try addLink(path, status) { return }
        let kind = try reading(path) { () throws(KernelError) -> PaxHeader.Kind in
            status.kind == .symlink ? .symlink(target: try folder.readSymlink(name)) : .fifo
        }
        try tar.add(describe(path, kind, status))
    }

    /// - Returns: false when the file has no other name that was added before.
    private mutating func addLink(_ path: FilePath, _ status: FileStatus) throws(StoreError) -> Bool {
        if status.linkCount == 1 { return false }
        guard let first = linked[status.identity] else {
            linked[status.identity] = path
            return false
        }
        try tar.add(describe(path, .hardLink(target: first), status))
        return true
    }

    private mutating func addDeletion(of name: FilePath) throws(StoreError) {
        guard let mark = FilePath(bytes: LayerUnpacker.deletionPrefix.bytes + name.bytes) else {
            preconditionFailure("a name holds no NUL")
        }
        try addMark(path(of: mark))
    }

    private mutating func addMark(_ path: FilePath) throws(StoreError) {
        try tar.add(
            PaxHeader(
                path: path, kind: .regular(.init(size: 0)), permissions: 0o644, owner: 0, group: 0,
                modified: FileTime(nanoseconds: 0)))
    }

    // MARK: What is told of an entry

    private func describe(
        _ path: FilePath, _ kind: PaxHeader.Kind, _ status: FileStatus,
        _ attributes: [(name: FilePath, value: [UInt8])] = []
    ) -> PaxHeader {
        PaxHeader(
            path: path, kind: kind, permissions: status.permissions, owner: status.owner, group: status.group,
            modified: status.modified, attributes: attributes)
    }

    private static func content(
        of file: borrowing OwnedFD, _ status: FileStatus
    ) throws(KernelError) -> PaxHeader.RegularContent {
        // A file that takes less room than its size has holes, or is compressed: then it has none.
        if status.allocatedSize >= status.size { return .init(size: status.size) }
        var data: [Range<Int64>] = []
        var position: Int64 = 0
        while position < status.size, let part = try file.nextData(from: position, size: status.size) {
            data.append(part.start..<part.end)
            position = part.end
        }
        return .init(size: status.size, data: data)
    }

    /// As a sandbox sees them. The labels of security modules are this host's, file capabilities are the file's.
    private func attributes(
        of file: borrowing OwnedFD
    ) throws(KernelError) -> [(name: FilePath, value: [UInt8])] {
        var attributes: [(name: FilePath, value: [UInt8])] = []
        for name in try file.extendedAttributeNames().sorted() where !OverlayAttribute.isMarker(name) {
            if name.hasPrefix("security."), name != "security.capability" { continue }
            guard let value = try file.extendedAttribute(name) else { continue }
            attributes.append((OverlayAttribute.shown(name), value))
        }
        return attributes
    }

    private func reading<Result: ~Copyable>(
        _ path: FilePath, _ body: () throws(KernelError) -> Result
    ) throws(StoreError) -> Result {
        do throws(KernelError) {
            return try body()
        } catch {
            throw StoreError(KernelError(error.call, path.description, errno: error.errno))
        }
    }
}

extension LayerArchiver: TreeVisitor {
    var isOrdered: Bool { true }

    mutating func visit(
        _ name: FilePath, _ kind: FileKind, in folder: borrowing OwnedFD
    ) throws(StoreError) -> Bool {
        try monitor.check()
        let path = path(of: name)
        if name.hasPrefix(LayerUnpacker.deletionPrefix) {
            throw .notCopyable(path: path.description, reason: "in an image its name would stand for a deletion")
        }
        switch kind {
        case .directory: return true
        case .regular: try addFile(name, path, in: folder)
        default: try addNode(name, path, in: folder)
        }
        return false
    }

    mutating func entered(_ name: FilePath, _ folder: borrowing OwnedFD) throws(StoreError) {
        try addFolder(folder, at: path(of: name))
    }

    mutating func left(_ name: FilePath, in parent: borrowing OwnedFD) throws(StoreError) { folders.removeLast() }

    func failure(_ error: KernelError) -> StoreError {
        StoreError(
            KernelError(error.call, path(of: FilePath(verbatim: error.subject)).description, errno: error.errno))
    }
}
