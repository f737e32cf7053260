import Kernel

/// A folder that paths start at and cannot lead out of: the root of a sandbox or, for copies, the host's.
///
/// Paths are as people write them, absolute or not; both start at the folder. Symlinks, `..` and renames that go on
/// meanwhile stay inside (openat2(2), RESOLVE_IN_ROOT); the links of /proc that lead to open files and other processes'
/// roots are refused.
struct PathRoot: ~Copyable, Sendable {
    private let folder: OwnedFD
    /// Where the kernel's filesystems are mounted: no walk through the tree goes into them.
    let kernelFolders: Set<FileIdentity>

    private static let rules: PathResolution = [.inRoot, .noMagicLinks]

    init(_ folder: consuming OwnedFD) throws(KernelError) {
        var kernelFolders: Set<FileIdentity> = []
        for name: FilePath in ["proc", "sys", "dev"] {
            if let status = try folder.statusIfPresent(of: name), status.kind == .directory {
                kernelFolders.insert(status.identity)
            }
        }
        self.folder = folder
        self.kernelFolders = kernelFolders
    }

    /// The root of the filesystem that the engine itself sees.
    static func host() throws(KernelError) -> PathRoot { try PathRoot(.open("/", [.pathOnly, .directory])) }

    func open(_ path: FilePath, _ flags: FileOpenFlags) throws(KernelError) -> OwnedFD {
        try folder.open(path, flags, resolving: Self.rules)
    }

    /// Whether a path that exists leads through no symlink, so that it is the place itself.
    func isFreeOfLinks(_ path: FilePath) -> Bool {
        // Whatever else is wrong with the path makes it no place to be certain of, either.
        (try? folder.open(path, .pathOnly, resolving: [.beneath, .noSymlinks, .noMagicLinks])) != nil
    }

    /// Opens a folder by path only, made with all its missing parents if need be.
    func openMakingParents(_ path: FilePath) throws(KernelError) -> OwnedFD {
        var reached: FilePath = "/"
        var opened = try open(reached, [.pathOnly, .directory])
        for name in path.components {
            reached = reached.appending(name)
            do throws(KernelError) {
                opened = try open(reached, [.pathOnly, .directory])
            } catch {
                guard error.errno == .noSuchFile else { throw error }
                try KernelFilesystem.refuseChanges(in: opened)
                try Self.makeFolder(name, in: opened)
                opened = try open(reached, [.pathOnly, .directory])
            }
        }
        return opened
    }

    /// Makes a folder that all may enter, whatever the engine's umask; one that exists is left as it is.
    /// - Returns: whether it was made.
    @discardableResult
    static func makeFolder(_ name: FilePath, in parent: borrowing OwnedFD) throws(KernelError) -> Bool {
        guard try parent.makeDirectoryIfAbsent(name, permissions: 0o755) else { return false }
        let made = try parent.openDirectory(name)
        let permissions = try made.status().permissions
        if permissions & 0o755 != 0o755 { try made.setPermissions(permissions | 0o755) }
        return true
    }

    /// Finds the folder in which the path's last name is to be made, replaced or removed.
    ///
    /// - Parameters:
    ///   - following: whether a symlink at the end stands for what it points to, which need not exist.
    ///   - makingParents: whether missing folders are made.
    /// - Throws: EROFS where only the kernel makes files, ELOOP.
    func locate(
        _ path: NamedPath, following: Bool, makingParents: Bool = false
    ) throws(KernelError) -> EntryPlace {
        // As many as the kernel itself follows (path_resolution(7)).
        let maxLinks = 40
        var path = path
        for _ in 0...maxLinks {
            let parent =
                makingParents ? try openMakingParents(path.parent) : try open(path.parent, [.pathOnly, .directory])
            try KernelFilesystem.refuseChanges(in: parent)
            let status = try parent.statusIfPresent(of: path.name)
            guard following, status?.kind == .symlink else {
                return EntryPlace(folder: parent, name: path.name, status: status)
            }
            let target = try parent.readSymlink(path.name)
            guard let next = NamedPath(target.isAbsolute ? target : path.parent.appending(target)) else {
                throw KernelError("openat2", target.description, errno: .isDirectory)
            }
            path = next
        }
        throw KernelError("openat2", path.name.description, errno: .tooManyLinks)
    }
}

/// A path that ends in a name, and so names an entry of a folder: not `/`, and no `..` at its end.
struct NamedPath {
    let parent: FilePath
    let name: FilePath

    init?(_ path: FilePath) {
        let components = path.components
        guard let name = components.last, name != ".." else { return nil }
        self.name = name
        parent = components.dropLast().reduce("/") { $0.appending($1) }
    }
}

/// An entry of an open folder, there or not.
struct EntryPlace: ~Copyable {
    let folder: OwnedFD
    let name: FilePath
    /// What was there when the place was found; nil for nothing.
    let status: FileStatus?
}
