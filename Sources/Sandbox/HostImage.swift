import Glibc
import Kernel

/// The built-in image `host`: the machine's own system files underneath, home folders, the store, temporary folders and
/// other filesystems hidden.
///
/// As root it is one folder: an overlay of an id-mapped view of `/` with covers over what is hidden. It must be an overlay
/// of its own, because overlayfs refuses a lower folder that holds another lower folder, and `/` holds the store.
/// For an ordinary user `/` cannot be a lower folder at all, since other mounts lie beneath it that a user namespace may
/// not look under; so each top-level folder without such mounts gets an overlay of its own.
struct HostImage {
    /// What the sandbox gets an empty folder for, and its permissions.
    private static let hidden: [(path: String, permissions: UInt32)] = [
        ("home", 0o755), ("root", 0o700), ("run", 0o755), ("tmp", 0o1777), ("var/tmp", 0o1777),
        ("proc", 0o555), ("sys", 0o555), ("dev", 0o755), ("mnt", 0o755), ("media", 0o755),
    ]

    /// Where covers are built and views are mounted: an empty folder that only this engine uses.
    private let workshop: String
    private let storePath: String
    private let mountPoints: [String]

    /// - Parameters:
    ///   - workshop: absolute path of an empty folder on a filesystem that holds no lower folder.
    ///   - storePath: what must not be visible inside.
    init(workshop: String, storePath: String) throws(KernelError) {
        self.workshop = workshop
        self.storePath = storePath
        mountPoints = try MountTable.targets()
    }

    /// Builds the base.
    ///
    /// - Parameter hostRoot: the id-mapped view of `/`, which only root has; it is attached in the workshop and closed.
    func build(hostRoot: Int32?) throws(KernelError) -> BaseFilesystem {
        try makeFolder("cover")
        try makeFolder("whiteouts")
        for (path, permissions) in Self.hidden { try hide(path, permissions: permissions) }
        try makeFolder("cover/run/isorun")
        try coverNameServers()
        try hideUnlessHidden(storePath, permissions: 0o700)
        for target in mountPoints { try hideUnlessHidden(target, permissions: 0o755) }
        if let hostRoot { return try buildAsRoot(hostRoot) }
        return try buildAsUser()
    }

    private func buildAsRoot(_ hostRoot: Int32) throws(KernelError) -> BaseFilesystem {
        try makeFolder("host")
        try DetachedMount(takingOver: OwnedFD(takingOver: hostRoot)).attach(at: path("host"))
        let lower = try covered("", host: path("host"))
        return BaseFilesystem(overlays: [.init(mountPoint: "", lowers: [lower])])
    }

    private func buildAsUser() throws(KernelError) -> BaseFilesystem {
        var inner: [BaseFilesystem.Overlay] = []
        let root = try OwnedFD.open("/", .directory)
        for entry in try root.entries() {
            guard let name = String(validating: entry.name.bytes, as: UTF8.self) else { continue }
            let status = try root.status(of: entry.name)
            if status.kind == .symlink {
                let target = try root.readSymlink(entry.name)
                try OwnedFD.open(FilePath(verbatim: path("cover")), .directory).makeSymlink(entry.name, to: target)
            } else if status.kind == .directory, !isHidden(name) {
                if !exists("cover/" + name) { try makeFolder("cover/" + name) }
                if canBeLower("/" + name) {
                    inner.append(.init(mountPoint: entry.name, lowers: [try covered(name, host: "/" + name)]))
                }
            }
        }
        return BaseFilesystem(
            overlays: [.init(mountPoint: "", lowers: [FilePath(verbatim: path("cover"))])] + inner)
    }

    // MARK: Covers

    /// Covers `relative` by an empty folder.
    ///
    /// Two layers, because an opaque folder would need an attribute that tmpfs has only since Linux 6.6: a whiteout below
    /// ends the merge, and a folder above it is what is seen.
    private func hide(_ relative: String, permissions: UInt32) throws(KernelError) {
        try makeParents(of: relative, in: "whiteouts")
        let whiteout = path("whiteouts/" + relative)
        // unsafe: the path is valid while the call lasts.
        try check("mknod", whiteout) { unsafe mknod(whiteout, S_IFCHR, 0) }
        try makeParents(of: relative, in: "cover")
        try makeFolder("cover/" + relative, permissions: permissions)
    }

    /// Where resolv.conf(5) is a link to what is hidden, as with systemd-resolved, nothing could be mounted over it.
    private func coverNameServers() throws(KernelError) {
        let file = IdentityFiles.nameServerFile.target
        let host = try OwnedFD.open("/", .directory)
        guard try host.statusIfPresent(of: FilePath(verbatim: file))?.kind == .symlink else { return }
        for layer in ["whiteouts", "cover"] { try makeParents(of: file, in: layer) }
        _ = try OwnedFD.open(FilePath(verbatim: path("cover")), .directory)
            .open(FilePath(verbatim: file), [.write, .create], permissions: 0o644)
    }

    /// Covers an absolute path, unless it lies in what is covered already or does not exist as a folder.
    private func hideUnlessHidden(_ absolute: String, permissions: UInt32) throws(KernelError) {
        let relative = String(absolute.drop { $0 == "/" })
        if relative.isEmpty { return }
        if try isCovered(relative) { return }
        let host = try OwnedFD.open("/", .directory)
        guard try host.statusIfPresent(of: FilePath(verbatim: relative))?.kind == .directory else { return }
        try hide(relative, permissions: permissions)
    }

    /// Whether the path or a folder that it lies in is covered already.
    private func isCovered(_ relative: String) throws(KernelError) -> Bool {
        let whiteouts = try OwnedFD.open(FilePath(verbatim: path("whiteouts")), .directory)
        var prefix = ""
        for name in relative.split(separator: "/") {
            prefix += (prefix.isEmpty ? "" : "/") + name
            // What is missing here has no whiteout further down, either.
            guard let status = try whiteouts.statusIfPresent(of: FilePath(verbatim: prefix)) else { return false }
            if status.kind == .characterDevice { return true }
        }
        return false
    }

    private func isHidden(_ relative: String) -> Bool {
        Self.hidden.contains { relative == $0.path || relative.hasPrefix($0.path + "/") }
    }

    /// Folders on the way get the host's owner and permissions: the topmost layer's are the ones that are seen.
    private func makeParents(of relative: String, in layer: String) throws(KernelError) {
        let host = try OwnedFD.open("/", .directory)
        var parent = ""
        for name in relative.split(separator: "/").dropLast() {
            parent += (parent.isEmpty ? "" : "/") + name
            if exists(layer + "/" + parent) { continue }
            let status = try host.statusIfPresent(of: FilePath(verbatim: parent))
            try makeFolder(layer + "/" + parent, permissions: status?.permissions ?? 0o755)
        }
    }

    /// A folder of the host as sandboxes shall see it: the folder itself where nothing of it is covered, else an overlay of
    /// it and its covers.
    private func covered(_ relative: String, host: String) throws(KernelError) -> FilePath {
        let covers = ["cover", "whiteouts"].map { relative.isEmpty ? $0 : $0 + "/" + relative }
        if !exists(covers[1]) { return FilePath(verbatim: host) }
        let target = "covered-" + (relative.isEmpty ? "root" : relative)
        try makeFolder(target)
        let lowers = covers.map(path) + [host]
        try DetachedMount(
            filesystem: "overlay", options: [("userxattr", nil)] + lowers.map { ("lowerdir+", $0) }
        ).attach(at: path(target))
        return FilePath(verbatim: path(target))
    }

    /// Whether overlayfs takes the folder: readable, not empty, without mounts beneath, and not around the store.
    private func canBeLower(_ absolute: String) -> Bool {
        let below = absolute + "/"
        if mountPoints.contains(where: { $0 == absolute || $0.hasPrefix(below) }) { return false }
        if storePath.hasPrefix(below) { return false }
        guard let folder = try? OwnedFD.open(FilePath(verbatim: absolute), .directory) else { return false }
        return (try? folder.entries().isEmpty) == false
    }

    // MARK: The workshop

    private func path(_ relative: String) -> String { workshop + "/" + relative }

    private func exists(_ relative: String) -> Bool {
        // unsafe: the path is valid while the call lasts.
        unsafe access(path(relative), F_OK) == 0
    }

    private func makeFolder(_ relative: String, permissions: UInt32 = 0o755) throws(KernelError) {
        let path = path(relative)
        // unsafe: the path is valid while the calls last.
        try check("mkdir", path) { unsafe mkdir(path, permissions) }
        // mkdir leaves out the umask's and the sticky bit.
        try check("chmod", path) { unsafe chmod(path, permissions) }
    }
}
