import Kernel
import Store

/// Makes mounts of the host's folders for sandboxes.
///
/// Their attributes are locked: nothing inside can make a read-only folder writable, not even root of the sandbox's user namespace
/// with all capabilities. Set-id bits and devices in them have no effect inside.
final class HostFolderMounts: Sendable {
    private static let resolution: PathResolution = [.noSymlinks, .noMagicLinks]

    private let launch: Launch
    private let workshop: String

    init(launch: Launch, workshop: String) {
        self.launch = launch
        self.workshop = workshop
    }

    /// Mounts, not attached yet, in the order in which they are to be attached.
    ///
    /// - Throws: `hostFolderMissing`, `hostUnsupported`.
    func make(_ mounts: [HostMount]) throws(SandboxError) -> [MountedFolder] {
        var made: [MountedFolder] = []
        // A folder is there before what lies in it.
        for mount in mounts.sorted(by: { $0.target.components.count < $1.target.components.count }) {
            let isNested = made.contains { $0.place.holds(mount.target) }
            made.append(MountedFolder(mount, try make(mount), isNested: isNested))
        }
        return made
    }

    private func make(_ mount: HostMount) throws(SandboxError) -> DetachedMount {
        do throws(KernelError) {
            let tree = try open(mount.location)
            var attributes: MountAttributes = [.noSetuid, .noDevices]
            if mount.isReadOnly { attributes.insert(.readOnly) }
            try tree.set(attributes, recursive: true)
            let place = workshop + "/mount-" + RandomName.hex(bytes: 8)
            let parent = try OwnedFD.open(FilePath(verbatim: workshop), .directory)
            let name = FilePath(verbatim: String(place.dropFirst(workshop.count + 1)))
            try parent.makeDirectory(name, permissions: 0o700)
            defer {
                // A folder that stays costs a page until the engine ends.
                try? parent.removeDirectory(name)
            }
            return try tree.locked(byWayOf: place)
        } catch {
            switch error.errno {
            case .noSuchFile, .notDirectory, .tooManyLinks:
                throw .hostFolderMissing(location: mount.location, mountPoint: mount.mountPoint)
            case .invalid where launch.ids == .root:
                throw .hostUnsupported(
                    feature: "mounts of \(mount.location)",
                    reason: "its filesystem, or one that is mounted beneath, cannot map ids (\(error))",
                    fix: "Use mode `copy`, or a folder of another filesystem.")
            default: throw SandboxError(error, path: mount.location)
            }
        }
    }

    /// As root the sandbox's ids are others than the host's: the launcher, which has the right to, maps them onto each other.
    private func open(_ location: String) throws(KernelError) -> DetachedMount {
        if launch.ids == .root { return try launch.mappedFolder(location) }
        let folder = try OwnedFD.open("/", [.pathOnly, .directory])
            .open(FilePath(verbatim: location), [.pathOnly, .directory], resolving: Self.resolution)
        return try DetachedMount(cloning: folder)
    }
}

/// A folder of the host in a sandbox, or about to be attached there.
final class MountedFolder: Sendable {
    let place: HostMount
    private let mount: DetachedMount
    /// Where it belongs now: a folder above it may have been renamed.
    private let target: FilePath
    /// Whether it lies in another folder of the host, where nothing is made for it.
    private let isNested: Bool

    init(_ place: HostMount, at target: FilePath? = nil, _ mount: consuming DetachedMount, isNested: Bool) {
        self.place = place
        self.target = target ?? place.target
        self.mount = mount
        self.isNested = isNested
    }

    /// The same for another root of the same sandbox. In the sandbox's mount namespace; a folder that the host has
    /// deleted meanwhile stays.
    func again() throws(KernelError) -> MountedFolder {
        let present = FilePath(verbatim: String(try mount.mountPoint().dropFirst()))
        return MountedFolder(place, at: present, try mount.copy(), isNested: isNested)
    }

    /// Attaches it below a root; the folder that it covers is made if it is missing. No symlink of the sandbox is followed.
    func attach(below root: borrowing DetachedMount) throws(SandboxError) {
        try atPath(place.mountPoint) { () throws(KernelError) in
            var folder = try root.root()
            for name in target.components {
                if !isNested { try PathRoot.makeFolder(name, in: folder) }
                folder = try folder.open(name, [.pathOnly, .directory, .noFollow])
            }
            try mount.attach(onto: folder)
        }
    }
}
