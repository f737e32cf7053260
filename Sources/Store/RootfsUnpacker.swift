import Kernel

/// Unpacks a root filesystem's archive into a folder, and never outside of it: every path is resolved by the kernel
/// beneath the folder (openat2(2), RESOLVE_BENEATH), and what leads out is refused with the entry's name.
struct RootfsUnpacker: ~Copyable {
    var losses = ImportLosses()
    /// The names at the top of the archive, which tell what it is.
    private(set) var topLevelNames: Set<FilePath> = []

    private let root: OwnedFD
    private let limits: ImageLimits
    private var entryCount = 0
    /// What directories get at the end, because making their entries changes their times.
    private var directories: [FilePath: TarEntry] = [:]
    /// The folder of the entry before, which most often is also that of the next.
    private var lastParent: (path: FilePath, folder: SharedDirectory)?

    /// Device nodes that every sandbox has of its own.
    private static let ownDevices: Set<FilePath> = [
        "dev/null", "dev/zero", "dev/full", "dev/random", "dev/urandom", "dev/tty", "dev/console", "dev/ptmx",
    ]

    init(into root: borrowing OwnedFD, limits: ImageLimits) throws(KernelError) {
        self.root = try root.duplicate()
        self.limits = limits
    }

    /// Unpacks all entries.
    /// - Throws: `imageInvalid` naming the entry; `noSpace`, `kernel`. What was unpacked by then is left to the caller.
    mutating func unpack(_ tar: inout TarReader) throws(StoreError) {
        while let entry = try tar.next() {
            entryCount += 1
            if entryCount > limits.maxEntries {
                throw .imageInvalid(reason: "it has more than the limit of \(limits.maxEntries) entries")
            }
            try unpack(entry, from: &tar)
        }
        if entryCount == 0 { throw .imageInvalid(reason: "the archive holds no files") }
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
        topLevelNames.insert(names[0])
        let path = joined(names)
        if case .device = entry.content {
            guard Self.ownDevices.contains(path) else { throw refusal(entry, "is a device node") }
            losses.droppedDevices += 1
            return
        }
        let parent = try folder(names.dropLast(), for: entry)
        if case .directory = entry.content {
            try makeDirectory(name, at: path, in: parent, entry)
        } else {
            try makeRoom(for: name, at: path, in: parent, entry)
            try makeFile(name, in: parent, entry, &tar)
        }
    }

    private mutating func makeFile(
        _ name: FilePath, in parent: SharedDirectory, _ entry: TarEntry, _ tar: inout TarReader
    ) throws(StoreError) {
        switch entry.content {
        case .regular(let size):
            if size > limits.maxUnpackedBytes { throw refusal(entry, "is larger than the limit for a whole image") }
            let file = try placing(entry) { () throws(KernelError) in
                try parent.descriptor.open(name, [.write, .create, .exclusive, .noFollow], permissions: 0o600)
            }
            try tar.writeContent(to: file)
            // A hole at the end is not in the archive.
            try placing(entry) { () throws(KernelError) in try file.setSize(size) }
            try applyMetadata(entry, to: file)
        case .symlink(let target):
            try placing(entry) { () throws(KernelError) in try parent.descriptor.makeSymlink(name, to: target) }
            try applyMetadata(entry, toNode: name, in: parent)
        case .fifo:
            try placing(entry) { () throws(KernelError) in
                try parent.descriptor.makeNode(name, kind: .fifo, permissions: entry.permissions)
                try parent.descriptor.setPermissions(of: name, entry.permissions)
            }
            try applyMetadata(entry, toNode: name, in: parent)
        case .hardLink(let target): try makeHardLink(name, to: target, in: parent, entry)
        case .directory, .device: preconditionFailure("handled by the caller")
        }
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
            case .noSuchFile: throw refusal(entry, "is a hard link to '\(target)', which the archive does not hold")
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

    /// Removes what an earlier entry put there: the last of a name counts.
    private mutating func makeRoom(
        for name: FilePath, at path: FilePath, in parent: SharedDirectory, _ entry: TarEntry
    ) throws(StoreError) {
        let present = try placing(entry) { () throws(KernelError) in try parent.descriptor.statusIfPresent(of: name) }
        guard let present else { return }
        do throws(KernelError) {
            if present.kind == .directory {
                try parent.descriptor.removeDirectory(name)
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

    /// Opens the folder of an entry; folders that the archive does not mention are made.
    private mutating func folder(
        _ names: ArraySlice<FilePath>, for entry: TarEntry
    ) throws(StoreError) -> SharedDirectory {
        let path = joined(names)
        if let lastParent, lastParent.path == path { return lastParent.folder }
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

    private func open(_ path: FilePath) throws(KernelError) -> OwnedFD {
        try root.open(path.isEmpty ? "." : path, [.read, .directory], resolving: [.beneath, .noMagicLinks])
    }

    private mutating func finishDirectory(_ path: FilePath, _ entry: TarEntry) throws(StoreError) {
        let folder = try placing(entry) { () throws(KernelError) in
            try root.open(path, [.read, .directory, .noFollow], resolving: [.beneath, .noMagicLinks])
        }
        try applyMetadata(entry, to: folder)
    }

    private func joined(_ names: some Sequence<FilePath>) -> FilePath { names.reduce("") { $0.appending($1) } }

    private func namesBelowRoot(_ path: FilePath, of entry: TarEntry) throws(StoreError) -> [FilePath] {
        let names = path.components
        if names.contains("..") { throw refusal(entry, "climbs with '..'") }
        return names
    }
}
