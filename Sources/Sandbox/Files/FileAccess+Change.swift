import Kernel
import Store

extension FileAccess {
    /// Makes a folder that all may read and enter (0755).
    ///
    /// - Parameter parents: whether missing parents are made too and an existing folder is no error.
    /// - Throws: `exists`.
    public func makeDirectory(_ path: String, parents: Bool = false) throws(SandboxError) {
        let name = try filePath(path)
        if parents {
            _ = try atPath(path) { () throws(KernelError) in try root.openMakingParents(name) }
            return
        }
        guard let named = NamedPath(name) else { throw .path(PathError(.exists, path)) }
        let isNew = try atPath(path) { () throws(KernelError) in
            let place = try root.locate(named, following: false)
            return try PathRoot.makeFolder(place.name, in: place.folder)
        }
        if !isNew { throw .path(PathError(.exists, path)) }
    }

    /// Removes a file, a symlink itself, an empty folder or, recursively, a folder with all that is in it.
    ///
    /// - Throws: `notFound`; `isDirectory` for a folder that is not empty; `permissionDenied` for the root folder and
    ///   where something is mounted. What a recursive removal has removed before it fails stays so.
    public func remove(_ path: String, recursive: Bool = false) throws(SandboxError) {
        let named = try namedPath(path)
        let place = try atPath(path) { () throws(KernelError) in try root.locate(named, following: false) }
        guard let status = place.status else { throw .path(PathError(.notFound, path)) }
        if root.kernelFolders.contains(status.identity) {
            throw SandboxError(KernelError("unlinkat", errno: .busy), path: path)
        }
        do throws(KernelError) {
            if recursive {
                try TreeRemover.remove(place.name, in: place.folder)
            } else if status.kind == .directory {
                try place.folder.removeDirectory(place.name)
            } else {
                try place.folder.removeFile(place.name)
            }
        } catch {
            if error.errno == .notEmpty { throw .path(PathError(.isDirectory, path)) }
            throw SandboxError(error, path: path)
        }
    }

    /// Renames or moves an entry, a symlink itself, as rename(2) does: a file replaces a file, a folder an empty folder.
    ///
    /// What cannot be renamed (between filesystems; folders of the image) is copied and then removed; the copy appears at
    /// once. When only the removal fails, both stay.
    public func move(_ path: String, to newPath: String) throws(SandboxError) {
        let (from, to) = (try namedPath(path), try namedPath(newPath))
        let source = try atPath(path) { () throws(KernelError) in try root.locate(from, following: false) }
        guard let status = source.status else { throw .path(PathError(.notFound, path)) }
        if root.kernelFolders.contains(status.identity) {
            throw SandboxError(KernelError("renameat2", errno: .busy), path: path)
        }
        let target = try atPath(newPath) { () throws(KernelError) in try root.locate(to, following: false) }
        try EntryMove.move(source.name, in: source.folder, path, to: target.name, in: target.folder, newPath)
    }
}
