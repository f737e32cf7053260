import Kernel

/// What tells a sandbox who it is: a folder at `/run/isorun`, and files from it over those of `/etc`.
///
/// It is made anew for every incarnation and never part of a layer, so each fork sees its own id. The files lie in the
/// engine's own memory filesystem; a sandbox sees them read-only.
final class IdentityFiles: Sendable {
    /// Relative to the sandbox's root.
    static let mountPoint = "run/isorun"
    /// A file's name, and what it is mounted over where the image has it.
    static let boundFiles: [(name: String, target: String)] = [("hosts", "etc/hosts"), ("hostname", "etc/hostname")]
    /// The same, of a sandbox that has name servers.
    static let nameServerFile = (name: "resolv.conf", target: "etc/resolv.conf")
    private static let attributes: MountAttributes = [.readOnly, .noSetuid, .noDevices, .noExecution]

    private let folder: String
    private let boundFiles: [(name: String, target: String)]

    /// - Parameters:
    ///   - nameServer: the address of the sandbox's name server; nil: it has none.
    ///   - workshop: absolute path of the engine's memory filesystem.
    init(id: String, hostname: String, nameServer: String?, workshop: String) throws(KernelError) {
        boundFiles = Self.boundFiles + (nameServer == nil ? [] : [Self.nameServerFile])
        // Random, because a rollback prepares the next incarnation of an id beside the present one.
        folder = workshop + "/identity-" + RandomName.hex(bytes: 8)
        let parent = try OwnedFD.open(FilePath(verbatim: workshop), .directory)
        let name = FilePath(verbatim: String(folder.dropFirst(workshop.count + 1)))
        try parent.makeDirectory(name, permissions: 0o755)
        let made = try parent.openDirectory(name)
        var texts = [
            ("id", id + "\n"), ("hostname", hostname + "\n"),
            ("hosts", "127.0.0.1\tlocalhost\n127.0.1.1\t\(hostname)\n::1\tlocalhost ip6-localhost\n"),
        ]
        if let nameServer { texts.append((Self.nameServerFile.name, "nameserver \(nameServer)\n")) }
        for (name, text) in texts {
            let file = try made.open(FilePath(verbatim: name), [.write, .create, .exclusive], permissions: 0o644)
            try file.writeAll(Array(text.utf8))
        }
    }

    deinit {
        // What a sandbox still sees of it lives until its mounts go. A folder that stays costs a page until the engine ends.
        do throws(KernelError) {
            let made = try OwnedFD.open(FilePath(verbatim: folder), .directory)
            for name in ["id"] + boundFiles.map(\.name) { try made.removeFile(FilePath(verbatim: name)) }
            try OwnedFD.open("/", .directory).removeDirectory(FilePath(verbatim: folder))
        } catch {
            return
        }
    }

    /// Read-only views of the folder and its files, not attached yet. In the engine's mount namespace.
    func views() throws(KernelError) -> [MountedView] {
        let folder = try MountedView(of: self.folder, at: Self.mountPoint, Self.attributes)
        var views = [folder]
        for (name, target) in boundFiles {
            views.append(try MountedView(of: self.folder + "/" + name, at: target, Self.attributes))
        }
        return views
    }
}

/// A mount that is not attached yet, and where in a sandbox it belongs.
final class MountedView: Sendable {
    private let mountPoint: String
    private let mount: DetachedMount

    /// A view of a path of the calling thread's mount namespace.
    init(of path: String, at mountPoint: String, _ attributes: MountAttributes) throws(KernelError) {
        self.mountPoint = mountPoint
        mount = try DetachedMount(cloning: path)
        try mount.set(attributes)
    }

    /// Attaches it below a root; does nothing where an image has no such place.
    func attach(below root: borrowing DetachedMount) throws(KernelError) {
        do throws(KernelError) {
            try mount.attach(at: mountPoint, below: root)
        } catch let error where error.errno == .noSuchFile {
            return
        }
    }
}
