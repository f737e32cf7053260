import Kernel
import Store

extension FileAccess {
    /// Lists a folder, sorted by the bytes of the names. Symlinks in it are listed, not followed.
    ///
    /// A recursive listing names /proc, /sys and /dev but does not go into them; what is made or removed meanwhile may be
    /// in it or not.
    ///
    /// - Throws: `notDirectory`; `limitExceeded` beyond `ListLimit`.
    public func list(_ path: String, recursive: Bool = false) throws(SandboxError) -> [Entry] {
        let name = try filePath(path)
        let folder = try atPath(path) { () throws(KernelError) in try root.open(name, [.pathOnly, .directory]) }
        var lister = ListingVisitor(path: path, isRecursive: recursive, unlisted: root.kernelFolders)
        try TreeWalk.run(folder, &lister)
        return lister.entries.sorted { $0.path < $1.path }.map(\.entry)
    }
}

/// Bounds of one listing, so that a sandbox cannot make the engine hold any number of names.
enum ListLimit {
    static let entries = 100_000
    /// Of all names together, in bytes: what fits a message with everything else that is told of an entry.
    static let nameBytes = 16 * 1024 * 1024
}

private struct ListingVisitor: TreeVisitor {
    let path: String
    let isRecursive: Bool
    let unlisted: Set<FileIdentity>
    private(set) var entries: [(path: FilePath, entry: FileAccess.Entry)] = []
    private var nameBytes = 0
    /// Of the folders that the walk is in: their paths from the first, which has an empty one.
    private var folders: [FilePath] = [""]

    init(path: String, isRecursive: Bool, unlisted: Set<FileIdentity>) {
        self.path = path
        self.isRecursive = isRecursive
        self.unlisted = unlisted
    }

    var passesOverVanished: Bool { true }

    mutating func visit(
        _ name: FilePath, _ kind: FileKind, in folder: borrowing OwnedFD
    ) throws(SandboxError) -> Bool {
        let relative = folders[folders.count - 1].appending(name)
        let found = try atPath("\(path)/\(relative)") { () throws(KernelError) in
            try describe(name, relative, in: folder)
        }
        guard let (entry, identity) = found else { return false }
        nameBytes += relative.bytes.count + (entry.target?.utf8.count ?? 0)
        if entries.count == ListLimit.entries || nameBytes > ListLimit.nameBytes {
            throw .limitExceeded(
                limit: "entries",
                reason: "below `\(path)` there is more than one listing holds (\(ListLimit.entries) entries, "
                    + "\(ListLimit.nameBytes >> 20) MiB of names); list its folders one by one")
        }
        entries.append((relative, entry))
        return isRecursive && entry.kind == .directory && !unlisted.contains(identity)
    }

    /// - Returns: nil when the entry has vanished since the folder was read.
    private func describe(
        _ name: FilePath, _ relative: FilePath, in folder: borrowing OwnedFD
    ) throws(KernelError) -> (FileAccess.Entry, FileIdentity)? {
        guard let status = try folder.statusIfPresent(of: name) else { return nil }
        var target: FilePath?
        if status.kind == .symlink {
            do throws(KernelError) {
                target = try folder.readSymlink(name)
            } catch {
                // EINVAL: it is no symlink any more (readlink(2)).
                guard [.noSuchFile, .invalid].contains(error.errno) else { throw error }
                return nil
            }
        }
        return (FileAccess.Entry(relative, status, target: target), status.identity)
    }

    mutating func entered(_ name: FilePath, _ folder: borrowing OwnedFD) {
        folders.append(folders[folders.count - 1].appending(name))
    }

    mutating func left(_ name: FilePath, in parent: borrowing OwnedFD) { folders.removeLast() }

    func failure(_ error: KernelError) -> SandboxError { SandboxError(error, path: path) }
}
