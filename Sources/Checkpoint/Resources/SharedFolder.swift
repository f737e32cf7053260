import Glibc
import Kernel

/// What lies below /dev/shm: POSIX shared memory and semaphores. It is on a filesystem of its own, in memory, and so in no layer.
enum SharedFolder {
    private static let place = FilePath(verbatim: "dev/shm")

    /// Whether a path inside leads there.
    static func holds(_ path: String) -> Bool { path.hasPrefix("/dev/shm/") }

    static func capture(in root: borrowing OwnedFD) throws(KernelError) -> [SharedFolderEntry] {
        var entries: [SharedFolderEntry] = []
        let folder = try root.open(place, [.read, .directory], resolving: .inRoot)
        try collect(folder, "", &entries)
        return entries
    }

    private static func collect(
        _ folder: borrowing OwnedFD, _ prefix: String, _ entries: inout [SharedFolderEntry]
    ) throws(KernelError) {
        for listed in try folder.entries() {
            let name = listed.name
            let status = try folder.status(of: name)
            let path = prefix + name.description
            func entry(_ kind: SharedFolderEntry.Kind) -> SharedFolderEntry {
                SharedFolderEntry(
                    path: path, permissions: status.permissions, owner: status.owner, group: status.group, kind: kind)
            }
            switch status.kind {
            case .directory:
                entries.append(entry(.folder))
                try collect(try folder.openDirectory(name), path + "/", &entries)
            case .regular:
                let file = try folder.open(name, [.read, .noFollow])
                entries.append(
                    entry(.file(size: UInt64(status.size), pieces: try FilePieces.read(file, size: status.size))))
            case .symlink:
                entries.append(entry(.link(target: try folder.readSymlink(name).description)))
            case .fifo, .socket, .characterDevice, .blockDevice: continue
            }
        }
    }

    static func restore(_ entries: [SharedFolderEntry], in root: borrowing OwnedFD) throws(KernelError) {
        if entries.isEmpty { return }
        let folder = try root.open(place, [.read, .directory], resolving: .inRoot)
        for entry in entries {
            let path = try FilePath(validating: entry.path)
            switch entry.kind {
            case .folder:
                try folder.makeDirectory(path, permissions: 0o700)
                try adopt(try folder.openDirectory(path), entry)
            case .link(let target):
                try folder.makeSymlink(path, to: try FilePath(validating: target))
            case .file(let size, let pieces):
                let file = try folder.open(path, [.readWrite, .create, .exclusive], permissions: 0o600)
                try FilePieces.write(pieces, size: size, to: file)
                try adopt(file, entry)
            }
        }
    }

    private static func adopt(_ file: borrowing OwnedFD, _ entry: SharedFolderEntry) throws(KernelError) {
        try check("fchown", entry.path) { fchown(file.rawValue, entry.owner, entry.group) }
        try check("fchmod", entry.path) { fchmod(file.rawValue, entry.permissions) }
    }
}
