import Kernel

/// Unpacks an archive of files into a folder, and never outside of it: every path is resolved by the kernel beneath the
/// folder (openat2(2), RESOLVE_BENEATH), and what leads out is refused with the entry's name.
struct LayerUnpacker: ~Copyable {
    /// What the archive is, and so what its entries mean.
    enum Role {
        /// A whole root filesystem.
        case rootfs
        /// An image's lowest layer: what it deletes is not there anyway.
        case lowest
        /// A layer by itself, as overlayfs wants it: deletions become whiteouts.
        case alone
        /// A layer through an overlay that shows it on top of those beneath: deletions delete.
        case onTop
    }

    var losses = ImportLosses()
    /// Set when a layer `alone` has an entry whose meaning the layers beneath decide: it has to be unpacked `onTop`.
    private(set) var needsLayersBeneath = false

    let role: Role
    let root: OwnedFD
    let options: ImportOptions
    private let monitor: ImageMonitor
    /// What directories get at the end, because making their entries changes their times.
    private(set) var directories: [FilePath: TarEntry] = [:]
    /// What the layer deletes of those beneath; by the folder.
    var deletions: [FilePath: Set<FilePath>] = [:]
    /// Folders of which the layer hides all that those beneath have.
    var opaque: Set<FilePath> = []
    /// With `onTop`: what this layer has made, which its own deletions do not concern.
    private(set) var made: Set<FilePath> = []
    /// The folder of the entry before, which most often is also that of the next.
    private var lastParent: (path: FilePath, folder: SharedDirectory)?

    /// Device nodes that every sandbox has of its own.
    private static let ownDevices: Set<FilePath> = [
        "dev/null", "dev/zero", "dev/full", "dev/random", "dev/urandom", "dev/tty", "dev/console", "dev/ptmx",
    ]

    init(
        _ role: Role, into root: borrowing OwnedFD, options: ImportOptions, monitor: ImageMonitor
    ) throws(KernelError) {
        self.role = role
        self.root = try root.duplicate()
        self.options = options
        self.monitor = monitor
    }

    /// Unpacks all entries; stops early when it `needsLayersBeneath`.
    /// - Throws: `imageInvalid` naming the entry; `noSpace`, `kernel`. What was unpacked by then is left to the caller.
    mutating func unpack(_ tar: inout TarReader) throws(StoreError) {
        var isEmpty = true
        while let entry = try tar.next() {
            isEmpty = false
            if monitor.hasEntry() > options.limits.maxEntries {
                throw .imageInvalid(reason: "it has more than the limit of \(options.limits.maxEntries) entries")
            }
            try unpack(entry, from: &tar)
            if needsLayersBeneath { return }
        }
        if isEmpty, role == .rootfs { throw .imageInvalid(reason: "the archive holds no files") }
        try writeDeletions()
        // Deepest first: a folder may forbid to open what lies in it.
        for (path, entry) in directories.sorted(by: { $0.key > $1.key }) { try finishDirectory(path, entry) }
    }

    private mutating func unpack(_ entry: TarEntry, from tar: inout TarReader) throws(StoreError) {
        let names = try namesBelowRoot(entry.path, of: entry)
        guard let name = names.last else {
            guard case .directory = entry.content else { throw refusal(entry, "stands for the root but is no folder") }
            directories["."] = entry
            return
        }
        if role != .rootfs, try isDeletion(names, entry) { return }
        let path = joined(names)
        if case .device = entry.content {
            guard Self.ownDevices.contains(path) else { throw refusal(entry, "is a device node") }
            losses.droppedDevices += 1
            return
        }
        guard let parent = try folder(names.dropLast(), for: entry) else { return }
        if role == .onTop { made.insert(path) }
        switch entry.content {
        case .directory: try makeDirectory(name, at: path, in: parent, entry)
        case .regular(let size): try makeFile(name, at: path, size, in: parent, entry, &tar)
        case .hardLink(let target):
            try makeRoom(for: name, at: path, in: parent, entry)
            try makeHardLink(name, to: target, in: parent, entry)
        case .symlink, .fifo:
            try makeRoom(for: name, at: path, in: parent, entry)
            try makeNode(name, in: parent, entry)
        case .device: preconditionFailure("handled above")
        }
    }

    private mutating func makeFile(
        _ name: FilePath, at path: FilePath, _ size: Int64, in parent: SharedDirectory, _ entry: TarEntry,
        _ tar: inout TarReader
    ) throws(StoreError) {
        if size > options.limits.maxUnpackedBytes {
            throw refusal(entry, "is larger than the limit for a whole image")
        }
        let file = try openNew(name, at: path, in: parent, entry)
        let end = try tar.writeContent(to: file)
        // A hole at the end is not in the archive.
        if end != size { try placing(entry) { () throws(KernelError) in try file.setSize(size) } }
        try applyMetadata(entry, to: file)
    }

    /// Makes an empty file; the name is looked at first only when it is taken.
    private mutating func openNew(
        _ name: FilePath, at path: FilePath, in parent: SharedDirectory, _ entry: TarEntry
    ) throws(StoreError) -> OwnedFD {
        let flags: FileOpenFlags = [.write, .create, .exclusive, .noFollow]
        do throws(KernelError) {
            return try parent.descriptor.open(name, flags, permissions: 0o600)
        } catch {
            guard error.errno == .exists else { throw explain(error, entry) }
        }
        try makeRoom(for: name, at: path, in: parent, entry)
        return try placing(entry) { () throws(KernelError) in
            try parent.descriptor.open(name, flags, permissions: 0o600)
        }
    }

    private mutating func makeNode(
        _ name: FilePath, in parent: SharedDirectory, _ entry: TarEntry
    ) throws(StoreError) {
        try placing(entry) { () throws(KernelError) in
            if case .symlink(let target) = entry.content {
                try parent.descriptor.makeSymlink(name, to: target)
            } else {
                try parent.descriptor.makeNode(name, kind: .fifo, permissions: entry.permissions)
                try parent.descriptor.setPermissions(of: name, entry.permissions)
            }
        }
        try applyMetadata(entry, toNode: name, in: parent)
    }

    private mutating func makeHardLink(
        _ name: FilePath, to target: FilePath, in parent: SharedDirectory, _ entry: TarEntry
    ) throws(StoreError) {
        if target.isAbsolute { throw refusal(entry, "is a hard link to the absolute path '\(target)'") }
        let names = try namesBelowRoot(target, of: entry)
        guard let targetName = names.last else { throw refusal(entry, "is a hard link to a folder") }
        do throws(KernelError) {
            let folder = try open(joined(names.dropLast()))
            try folder.link(targetName, to: name, in: parent.descriptor)
        } catch {
            switch error.errno {
            case .noSuchFile where role == .alone: needsLayersBeneath = true
            case .noSuchFile:
                let place = role == .rootfs ? "the archive does not hold" : "neither its layer nor those beneath hold"
                throw refusal(entry, "is a hard link to '\(target)', which \(place)")
            case .notPermitted: throw refusal(entry, "is a hard link to '\(target)', which is a folder")
            default: throw explain(error, entry)
            }
        }
    }

    private mutating func makeDirectory(
        _ name: FilePath, at path: FilePath, in parent: SharedDirectory, _ entry: TarEntry
    ) throws(StoreError) {
        let present = try placing(entry) { () throws(KernelError) in try parent.descriptor.statusIfPresent(of: name) }
        if present?.kind != .directory {
            try makeRoom(for: name, at: path, in: parent, entry)
            try placing(entry) { () throws(KernelError) in
                try parent.descriptor.makeDirectory(name, permissions: 0o700)
            }
        }
        directories[path] = entry
    }

    /// Removes what an earlier entry put there, as the last of a name counts, or what a layer beneath has there.
    private mutating func makeRoom(
        for name: FilePath, at path: FilePath, in parent: SharedDirectory, _ entry: TarEntry
    ) throws(StoreError) {
        let present = try placing(entry) { () throws(KernelError) in try parent.descriptor.statusIfPresent(of: name) }
        guard let present else { return }
        do throws(KernelError) {
            if present.kind == .directory {
                if role == .onTop, directories[path] == nil {
                    try TreeRemover.remove(name, in: parent.descriptor)
                } else {
                    try parent.descriptor.removeDirectory(name)
                }
                directories[path] = nil
                lastParent = nil
            } else {
                try parent.descriptor.removeFile(name)
            }
        } catch {
            if error.errno == .notEmpty { throw refusal(entry, "would replace a folder that is not empty") }
            throw explain(error, entry)
        }
    }

    /// Opens the folder of an entry.
    ///
    /// Folders that the archive does not mention are made, in a layer only where none beneath has them: so nil is returned, and
    /// `needsLayersBeneath` set, when that cannot be known.
    mutating func folder(
        _ names: ArraySlice<FilePath>, for entry: TarEntry
    ) throws(StoreError) -> SharedDirectory? {
        let path = joined(names)
        if let lastParent, lastParent.path == path { return lastParent.folder }
        do throws(KernelError) {
            let folder = SharedDirectory(try open(path))
            lastParent = (path, folder)
            return folder
        } catch {
            guard error.errno == .noSuchFile else { throw explain(error, entry) }
        }
        if role == .alone {
            needsLayersBeneath = true
            return nil
        }
        let folder = try placing(entry) { () throws(KernelError) in
            try makeMissing(names)
            return SharedDirectory(try open(path))
        }
        lastParent = (path, folder)
        return folder
    }

    private func makeMissing(_ names: ArraySlice<FilePath>) throws(KernelError) {
        do throws(KernelError) {
            _ = try open(joined(names))
        } catch {
            guard error.errno == .noSuchFile, let name = names.last else { throw error }
            try makeMissing(names.dropLast())
            let parent = try open(joined(names.dropLast()))
            // A dangling symlink of that name is found by the open that follows.
            if try parent.makeDirectoryIfAbsent(name, permissions: 0o755) {
                try parent.setPermissions(of: name, 0o755)
            }
        }
    }

    func open(_ path: FilePath) throws(KernelError) -> OwnedFD {
        try root.open(path.isEmpty ? "." : path, [.read, .directory], resolving: [.beneath, .noMagicLinks])
    }

    /// A folder was removed that `lastParent` may be or lie in.
    mutating func forgetLastParent() { lastParent = nil }

    private mutating func finishDirectory(_ path: FilePath, _ entry: TarEntry) throws(StoreError) {
        let folder = try placing(entry) { () throws(KernelError) in
            try root.open(path, [.read, .directory, .noFollow], resolving: [.beneath, .noMagicLinks])
        }
        try applyMetadata(entry, to: folder)
    }

    func joined(_ names: some Sequence<FilePath>) -> FilePath { names.reduce("") { $0.appending($1) } }

    private func namesBelowRoot(_ path: FilePath, of entry: TarEntry) throws(StoreError) -> [FilePath] {
        let names = path.components
        if names.contains("..") { throw refusal(entry, "climbs with '..'") }
        return names
    }
}
