import Kernel
import Store

/// What lies below a sandbox's layers: the folders that make an image, and where they are mounted.
///
/// Usually one overlay for `/`. The host image of an ordinary user has further ones, as for `/usr`.
struct BaseFilesystem: Sendable {
    struct Overlay: Sendable {
        /// Relative to the sandbox's root; empty for the root itself.
        let mountPoint: FilePath
        /// Folders of the engine's mount namespace, topmost first.
        let lowers: [FilePath]
    }

    /// The root's first.
    let overlays: [Overlay]

    /// Where overlays other than the root's are mounted.
    var innerMountPoints: [FilePath] { overlays.map(\.mountPoint).filter { !$0.isEmpty } }
}

/// One incarnation's overlays: sealed layers over the base, and the sandbox's own upper over all.
struct LayeredFilesystem {
    let base: BaseFilesystem
    /// Contents of sealed layers, topmost first.
    let layers: [FilePath]
    let upper: FilePath
    let work: FilePath

    /// Mounts every overlay, detached; the root's first. Relative paths start at the thread's working directory.
    ///
    /// `userxattr` because a user namespace may not write `trusted.` attributes; `volatile` because otherwise the end of a
    /// mount, in a snapshot as in a destroy, waits until all that was written is on the disk. The store makes snapshots
    /// durable in the background (Documentation/filesystems/overlayfs.rst).
    func mount() throws(KernelError) -> [MountedOverlay] {
        var mounted: [MountedOverlay] = []
        for (index, overlay) in base.overlays.enumerated() {
            var options: [(key: String, value: String?)] = [("userxattr", nil), ("volatile", nil)]
            for lower in layers.map({ $0.below(overlay.mountPoint) }) + overlay.lowers {
                options.append(("lowerdir+", lower.description))
            }
            options.append(("upperdir", upper.below(overlay.mountPoint).description))
            options.append(("workdir", work.appending(FilePath(verbatim: "\(index)")).description))
            mounted.append(
                MountedOverlay(
                    mountPoint: overlay.mountPoint,
                    mount: try DetachedMount(filesystem: "overlay", options: options, attributes: .noDevices)))
        }
        return mounted
    }
}

/// An overlay that is not attached yet.
final class MountedOverlay: Sendable {
    let mountPoint: FilePath
    let mount: DetachedMount

    init(mountPoint: FilePath, mount: consuming DetachedMount) {
        self.mountPoint = mountPoint
        self.mount = mount
    }
}

extension FilePath {
    /// This path, or what `inner` names below it.
    func below(_ inner: FilePath) -> FilePath { inner.isEmpty ? self : appending(inner) }
}
