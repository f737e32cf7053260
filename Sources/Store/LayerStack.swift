import Kernel

/// A folder of the host that lies beneath all layers: what the image `host` consists of.
public struct BaseFolder: Sendable {
    /// `/`, or where an overlay of its own is mounted, as `/usr`.
    public let mountPoint: FilePath
    let directory: SharedDirectory

    /// - Parameter directory: the lowest lower of that overlay, open for reading.
    public init(mountPoint: FilePath, directory: consuming OwnedFD) {
        self.mountPoint = mountPoint
        self.directory = SharedDirectory(directory)
    }
}

/// The layers of one state of a sandbox, topmost first, and the host's folders beneath them.
struct LayerStack: Sendable {
    /// Names each layer, so that two stacks can tell what they share; nil is an upper that is no layer yet.
    private let names: [LayerID?]
    private let contents: [SharedDirectory]
    private let baseRoot: SharedDirectory?
    /// By the mount point without slashes at its ends.
    private let baseFolders: [FilePath: SharedDirectory]

    init(_ layers: [(name: LayerID?, content: SharedDirectory)], base: [BaseFolder]) {
        names = layers.map(\.name)
        contents = layers.map(\.content)
        var folders: [FilePath: SharedDirectory] = [:]
        for folder in base {
            folders[folder.mountPoint.components.reduce("") { $0.appending($1) }] = folder.directory
        }
        baseRoot = folders.removeValue(forKey: "")
        baseFolders = folders
    }

    func root() throws(KernelError) -> MergedDirectory {
        try MergedDirectory(roots: baseRoot.map { contents + [$0] } ?? contents)
    }

    func isMountPoint(_ path: FilePath) -> Bool { baseFolders[path] != nil }

    /// The merged directory of a name in `folder`; the host's folder takes the base's place at a mount point.
    func child(
        _ name: FilePath, of folder: MergedDirectory, from part: Int, path: FilePath
    ) throws(KernelError) -> MergedDirectory {
        guard let mounted = baseFolders[path] else { return try folder.child(name, from: part) }
        return try folder.child(name, from: part, base: (layer: contents.count, directory: mounted))
    }

    /// How many of the topmost layers are not shared with the bottom of the other stack.
    func ownLayers(comparedTo other: LayerStack) -> Int {
        var shared = 0
        for (own, others) in zip(names.reversed(), other.names.reversed()) {
            guard own != nil, own == others else { break }
            shared += 1
        }
        return names.count - shared
    }
}
