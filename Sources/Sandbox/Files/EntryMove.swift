import Kernel
import Store

/// Moves an entry to another folder, also where rename(2) cannot: between filesystems, and on an overlay a folder that
/// exists in a lower layer, for which overlayfs answers EXDEV (the kernel's Documentation/filesystems/overlayfs.rst).
enum EntryMove {
    /// - Parameters:
    ///   - path: of `name`, for errors.
    ///   - newPath: of `newName`, for errors.
    static func move(
        _ name: FilePath, in folder: borrowing OwnedFD, _ path: String, to newName: FilePath,
        in target: borrowing OwnedFD, _ newPath: String
    ) throws(SandboxError) {
        do throws(KernelError) {
            try folder.rename(name, to: newName, in: target)
            return
        } catch {
            switch error.errno {
            case .crossDevice: break
            case .noSuchFile: throw SandboxError(error, path: path)
            // Among names of existing folders EINVAL means just this (rename(2)).
            case .invalid: throw intoItself(path)
            default: throw SandboxError(error, path: newPath)
            }
        }
        if try atPath(path, { () throws(KernelError) in try isFolder(name, in: folder, around: target) }) {
            throw intoItself(path)
        }
        try TemporaryEntry.publish(in: target, as: newName, ifTaken: .replace, path: newPath) {
            (temporary) throws(SandboxError) in
            do throws(StoreError) {
                _ = try TreeCopier.copy(name, in: folder, to: temporary, in: target, TreeCopyOptions())
            } catch {
                throw SandboxError(error, path: path)
            }
        }
        try atPath(path) { () throws(KernelError) in _ = try TreeRemover.remove(name, in: folder) }
    }

    private static func intoItself(_ path: String) -> SandboxError {
        .path(PathError(.permissionDenied(reason: "a folder cannot be moved into itself"), path))
    }

    private static func isFolder(
        _ name: FilePath, in folder: borrowing OwnedFD, around inner: borrowing OwnedFD
    ) throws(KernelError) -> Bool {
        let status = try folder.status(of: name)
        return status.kind == .directory ? try inner.liesIn(status.identity) : false
    }
}

extension OwnedFD {
    /// Whether this folder is the given one or lies somewhere below it.
    func liesIn(_ folder: FileIdentity) throws(KernelError) -> Bool {
        var place = try open(".", [.pathOnly, .directory])
        var identity = try place.status().identity
        while identity != folder {
            place = try place.open("..", [.pathOnly, .directory])
            let parent = try place.status().identity
            // Only the root is its own parent.
            if parent == identity { return false }
            identity = parent
        }
        return true
    }
}
