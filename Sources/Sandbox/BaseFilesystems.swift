import Glibc
import Kernel
import Store
import Synchronization

/// The images' base filesystems, each prepared once.
final class BaseFilesystems: Sendable {
    private let store: Store
    private let launch: Launch
    /// An empty tmpfs that only this engine's mount namespace has; overlayfs does not mind lower folders next to it.
    let workshop: String
    private let host = Mutex<Result<BaseFilesystem, KernelError>?>(nil)
    private let skeleton: FilePath

    init(store: Store, launch: Launch) throws(SandboxError) {
        self.store = store
        self.launch = launch
        workshop = try onStore { () throws(StoreError) in try store.makeWorkshop() }
        skeleton = FilePath(verbatim: workshop + "/skeleton")
        do throws(KernelError) {
            let filesystem = try DetachedMount(
                filesystem: "tmpfs", options: [("mode", "0755"), ("size", "256m")], attributes: [.noSetuid])
            try filesystem.attach(at: workshop)
            try Self.makeSkeleton(at: try filesystem.root())
        } catch {
            throw .kernel(error)
        }
    }

    /// Unmounts everything in the workshop.
    func close() throws(KernelError) { try MountTree.detach(workshop) }

    /// What lies below the layers of a sandbox of the image.
    func base(of image: ImageUse) throws(SandboxError) -> BaseFilesystem {
        if image.digest == nil { return try hostBase() }
        let layers = image.layers.map { FilePath(verbatim: store.contentPath($0)) }
        return BaseFilesystem(overlays: [.init(mountPoint: "", lowers: layers + [skeleton])])
    }

    private func hostBase() throws(SandboxError) -> BaseFilesystem {
        let result = host.withLock { host in
            if let host { return host }
            let built: Result<BaseFilesystem, KernelError>
            do throws(KernelError) {
                let image = try HostImage(workshop: workshop + "/host-image", storePath: store.path)
                built = .success(try image.build(hostRoot: launch.hostRootDescriptor))
            } catch {
                built = .failure(error)
            }
            host = built
            return built
        }
        return try onKernel { () throws(KernelError) in try result.get() }
    }

    /// The host's folders as sandboxes see them, for comparing and merging layers that stand on them. Empty as long as no
    /// sandbox was made from the host image.
    func hostFolders() -> [BaseFolder] {
        guard case .success(let base) = host.withLock({ $0 }) else { return [] }
        return base.overlays.compactMap { overlay in
            guard let directory = try? OwnedFD.open(overlay.lowers[0], .directory) else { return nil }
            return BaseFolder(
                mountPoint: overlay.mountPoint.isEmpty ? "/" : overlay.mountPoint, directory: directory)
        }
    }

    /// Folders and files that every sandbox's mounts need, below an image that may lack them.
    private static func makeSkeleton(at root: borrowing OwnedFD) throws(KernelError) {
        try root.makeDirectory("host-image", permissions: 0o755)
        try root.makeDirectory("skeleton", permissions: 0o755)
        let skeleton = try root.openDirectory("skeleton")
        for name: FilePath in ["proc", "sys", "dev", "run", "run/isorun", "tmp", "etc"] {
            try skeleton.makeDirectory(name, permissions: 0o755)
        }
        try skeleton.setPermissions(of: "tmp", 0o1777)
        for (_, target) in IdentityFiles.boundFiles + [IdentityFiles.nameServerFile] {
            _ = try skeleton.open(FilePath(verbatim: target), [.write, .create], permissions: 0o644)
        }
    }
}
