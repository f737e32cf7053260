import Kernel
import Store

/// An empty upper over the image `host`, mounted before a sandbox wants it: the mount of an overlay is half of what a create
/// takes, since overlayfs makes and removes a dozen files to learn what the filesystem can do.
final class ReadyRoot: Sendable {
    let files: FilesID
    let overlays: [MountedOverlay]

    /// On failure the folder of files is left to the end of the engine.
    init(on base: BaseFilesystem, in store: Store) throws(SandboxError) {
        let files = try onStore { () throws(StoreError) in
            try store.makeSpareFiles(overlayMountPoints: base.innerMountPoints)
        }
        let folder = FilePath(verbatim: "staging/\(store.engine)/\(files)")
        let layered = LayeredFilesystem(
            base: base, layers: [], upper: folder.appending("upper"), work: folder.appending("work"))
        let path = store.path
        overlays = try Thread.run(name: "ready root") { () throws(SandboxError) in
            try onKernel { () throws(KernelError) in
                try ThreadNamespaces.separateWorkingDirectory()
                try ThreadNamespaces.changeDirectory(to: path)
                return try layered.mount()
            }
        }
        self.files = files
    }
}

/// What a sandbox's root is made of.
enum RootFilesystem {
    case toMount(LayeredFilesystem)
    case ready(ReadyRoot)

    /// The overlays, not attached yet; the root's first. Relative paths start at the thread's working directory.
    func overlays() throws(KernelError) -> [MountedOverlay] {
        switch self {
        case .toMount(let files): try files.mount()
        case .ready(let root): root.overlays
        }
    }
}
