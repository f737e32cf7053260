import Kernel

/// The writable side of one overlay of a sandbox, as paths for a mount.
public struct SandboxOverlay: Sendable, Hashable {
    /// `/` for the root, else where the overlay is mounted over it, as `/usr`.
    public let mountPoint: FilePath
    public let upper: String
    public let work: String
}

/// Makes the folder of files of a sandbox: one upper, in it an empty folder for each further overlay, and one work
/// folder for each overlay.
enum SandboxFiles {
    /// What every new root gets when there is nothing to take it from.
    private static let rootPermissions: UInt32 = 0o755

    /// - Parameter parent: the folder that gets the new one.
    static func make(
        _ files: FilesID, in parent: borrowing OwnedFD, mountPoints: [FilePath]
    ) throws(KernelError) {
        try parent.makeDirectory(files.path, permissions: 0o700)
        let folder = try parent.openDirectory(files.path)
        try folder.makeDirectory(StoreLayout.upper, permissions: rootPermissions)
        let upper = try folder.openDirectory(StoreLayout.upper)
        for folder in mountPoints.flatMap(pathsDown) {
            try upper.makeDirectoryIfAbsent(folder, permissions: rootPermissions)
        }
        try makeWork(in: folder, overlays: 1 + mountPoints.count)
    }

    /// Makes the work folders; each serves one mount, because a volatile overlay marks it as used up.
    static func makeWork(in files: borrowing OwnedFD, overlays: Int) throws(KernelError) {
        try files.makeDirectory(StoreLayout.work, permissions: 0o700)
        let work = try files.openDirectory(StoreLayout.work)
        for number in 0..<overlays { try work.makeDirectory(workName(number), permissions: 0o700) }
    }

    /// Gives the upper's root and mount points owner, permissions, extended attributes and times, because overlayfs shows
    /// the upper's.
    ///
    /// - Parameters:
    ///   - parent: the folder that holds the files.
    ///   - origin: the root that lay on top before; nil: 0755, as the folders were made.
    static func takeAttributes(
        _ files: FilesID, in parent: borrowing OwnedFD, mountPoints: [FilePath], of origin: borrowing OwnedFD?
    ) throws(KernelError) {
        let upper = try parent.openDirectory(files.path).openDirectory(StoreLayout.upper)
        try copyRootAttributes(of: origin, at: ".", to: upper)
        for folder in Set(mountPoints.flatMap(pathsDown)) {
            let made = try upper.openDirectory(folder)
            try copyRootAttributes(of: origin, at: folder, to: made)
        }
    }

    /// Whether an upper is as `takeAttributes` left it: there is nothing in it but the mount points, and these are like the
    /// origin's. Times of access do not count.
    static func isUntouched(
        _ upper: borrowing OwnedFD, mountPoints: [FilePath], of origin: borrowing OwnedFD
    ) throws(KernelError) -> Bool {
        let folders = Set(mountPoints.flatMap(pathsDown))
        for path in [""] + folders {
            let folder = try upper.openDirectory(path.isEmpty ? "." : path)
            for entry in try folder.entries()
            where !folders.contains(path.appending(entry.name)) { return false }
            guard let source = try open(path.isEmpty ? "." : path, in: origin) else { return false }
            if try !isAlike(folder, source) { return false }
        }
        return true
    }

    private static func isAlike(
        _ folder: borrowing OwnedFD, _ source: borrowing OwnedFD
    ) throws(KernelError) -> Bool {
        let own = try folder.status()
        let other = try source.status()
        if own.owner != other.owner || own.group != other.group || own.permissions != other.permissions { return false }
        if own.modified != other.modified { return false }
        return try FileComparison.attributes(of: folder) == FileComparison.attributes(of: source)
    }

    /// The root overlay's work folder is `0`, the further ones follow in the order of their mount points.
    static func workName(_ number: Int) -> FilePath { FilePath(verbatim: String(number)) }

    /// `a`, `a/b` and `a/b/c` for `/a/b/c`.
    private static func pathsDown(to mountPoint: FilePath) -> [FilePath] {
        var path: FilePath = ""
        return mountPoint.components.map { name in
            path = path.appending(name)
            return path
        }
    }

    private static func copyRootAttributes(
        of origin: borrowing OwnedFD?, at path: FilePath, to folder: borrowing OwnedFD
    ) throws(KernelError) {
        // The umask has a say in mkdir, not in chmod.
        guard let source = try open(path, in: origin) else { return try folder.setPermissions(rootPermissions) }
        let status = try source.status()
        try folder.setOwner(status.owner, group: status.group)
        for (name, value) in try FileComparison.attributes(of: source) { try folder.setExtendedAttribute(name, value) }
        try folder.setPermissions(status.permissions)
        try folder.setTimes(accessed: status.accessed, modified: status.modified)
    }

    private static func open(
        _ path: FilePath, in origin: borrowing OwnedFD?
    ) throws(KernelError) -> OwnedFD? {
        switch origin {
        case .none: nil
        case .some(let origin): try open(path, in: origin)
        }
    }

    private static func open(_ path: FilePath, in origin: borrowing OwnedFD) throws(KernelError) -> OwnedFD? {
        do throws(KernelError) {
            return try origin.open(path, [.read, .directory], resolving: [.beneath, .noSymlinks])
        } catch {
            if [.noSuchFile, .notDirectory, .tooManyLinks].contains(error.errno) { return nil }
            throw error
        }
    }
}
