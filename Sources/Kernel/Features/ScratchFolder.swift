/// A folder for experiments on the store's filesystem. It stays until `remove`.
final class ScratchFolder {
    let path: String
    let directory: OwnedFD
    private let parent: Existing
    private let name: FilePath

    /// Makes the folder in `folder`, or in the nearest of its parents that exists.
    /// - Parameter folder: an absolute path.
    init(near folder: FilePath) throws(KernelError) {
        parent = try Self.openNearest(folder)
        name = FilePath(verbatim: ".isorun-doctor-" + RandomName.hex(bytes: 8))
        path = parent.path.appending(name).description
        try parent.handle.makeDirectory(name, permissions: 0o700)
        directory = try parent.handle.openDirectory(name)
    }

    /// A folder that exists, and the handle of it.
    private struct Existing: ~Copyable {
        let path: FilePath
        let handle: OwnedFD
    }

    private static func openNearest(_ folder: FilePath) throws(KernelError) -> Existing {
        var components = folder.components
        while true {
            let path = components.reduce("/" as FilePath) { $0.appending($1) }
            do throws(KernelError) {
                return Existing(path: path, handle: try OwnedFD.open(path, [.read, .directory]))
            } catch {
                guard error.errno == .noSuchFile, !components.isEmpty else { throw error }
                components.removeLast()
            }
        }
    }

    /// Removes the folder and what is in it; nobody else may be changing it.
    func remove() throws(KernelError) { try Self.remove(name, in: parent.handle) }

    /// Calls itself for folders in it; these experiments leave a depth of three.
    private static func remove(_ name: FilePath, in folder: borrowing OwnedFD) throws(KernelError) {
        if try folder.status(of: name).kind != .directory { return try folder.removeFile(name) }
        // Overlayfs leaves work/work with mode 000.
        try folder.setPermissions(of: name, 0o700)
        let directory = try folder.openDirectory(name)
        for entry in try directory.entries() { try remove(entry.name, in: directory) }
        try folder.removeDirectory(name)
    }
}
