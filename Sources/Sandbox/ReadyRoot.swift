import Kernel
import Store

/// An empty upper over an image, mounted before a sandbox wants it: the mount of an overlay is half of what a create
/// takes, since overlayfs makes and removes a dozen files to learn what the filesystem can do.
final class ReadyRoot: Sendable {
    let files: FilesID
    let overlays: [MountedOverlay]
    private let layers: [LayerID]
    /// The layers' folders as they were mounted.
    private let folders: [FileIdentity]

    /// On failure the folder of files is left to the end of the engine.
    init(of image: ImageUse, on base: BaseFilesystem, in store: Store) throws(SandboxError) {
        layers = image.layers
        // Before they are mounted: one that is removed and comes again meanwhile is another one then.
        folders = try Self.folders(of: image, in: store)
        let files = try onStore { () throws(StoreError) in
            try store.makeSpareFiles(overlayMountPoints: base.innerMountPoints, on: image)
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

    /// Whether the layers that it stands on are those that the image has now.
    func isCurrent(for image: ImageUse, in store: Store) throws(SandboxError) -> Bool {
        if layers != image.layers { return false }
        return try folders == Self.folders(of: image, in: store)
    }

    private static func folders(of image: ImageUse, in store: Store) throws(SandboxError) -> [FileIdentity] {
        try onStore { () throws(StoreError) in
            var folders: [FileIdentity] = []
            for layer in image.layers { folders.append(try store.contentIdentity(layer)) }
            return folders
        }
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
