import Kernel
import Store

extension FileAccess {
    /// Copies a file or a folder of the host into the sandbox, where everything belongs to root.
    ///
    /// The path is the copy's own, not that of a folder to put it into. A file replaces a file at once; a folder appears at
    /// once, or is merged into the folder that exists: files in it are replaced, other entries stay. A symlink at the end
    /// of either path is followed; those inside of a folder are copied. Set-id bits are dropped.
    ///
    /// - Parameters:
    ///   - hostPath: absolute, as the engine sees the host.
    ///   - exclude: what of a folder is left out.
    ///   - isCancelled: asked before each file and within large ones.
    /// - Throws: `exists` where a folder and something else meet; `permissionDenied` for what cannot be copied;
    ///   `store(.cancelled)`. A merge that fails midway has replaced what it got to; else nothing is left behind.
    public func copyIn(
        _ hostPath: String, to path: String, excluding exclude: IgnoreRules = IgnoreRules([]),
        isCancelled: @escaping @Sendable () -> Bool = { false }
    ) throws(SandboxError) -> TreeCopySummary {
        let host = try onKernel { () throws(KernelError) in try PathRoot.host() }
        let options = TreeCopyOptions(
            ownership: .all(owner: 0, group: 0), attributes: .user, unfilled: host.kernelFolders, exclude: exclude,
            isCancelled: isCancelled)
        return try copy(hostPath, in: host, to: path, in: root, followingTarget: true, options)
    }

    /// Copies a file or a folder of the sandbox to the host. As `copyIn`, but what is made belongs to `owner`, and a symlink
    /// at the end of the host's path, which an earlier copy may have brought there, is not followed: it is replaced by a
    /// file, and refused for a folder.
    ///
    /// - Parameter owner: ids of the engine's user namespace; see `Launch.hostOwner`.
    public func copyOut(
        _ path: String, to hostPath: String, owner: (user: UInt32, group: UInt32),
        isCancelled: @escaping @Sendable () -> Bool = { false }
    ) throws(SandboxError) -> TreeCopySummary {
        let host = try onKernel { () throws(KernelError) in try PathRoot.host() }
        let options = TreeCopyOptions(
            ownership: .all(owner: owner.user, group: owner.group), attributes: .user, unfilled: root.kernelFolders,
            isCancelled: isCancelled)
        return try copy(path, in: root, to: hostPath, in: host, followingTarget: false, options)
    }

    private func copy(
        _ path: String, in source: borrowing PathRoot, to newPath: String, in target: borrowing PathRoot,
        followingTarget: Bool, _ options: TreeCopyOptions
    ) throws(SandboxError) -> TreeCopySummary {
        let (name, newName) = (try filePath(path), try filePath(newPath))
        let found = try atPath(path) { () throws(KernelError) in try source.open(name, .pathOnly) }
        let status = try atPath(path) { () throws(KernelError) in try found.status() }
        guard let named = NamedPath(newName) else {
            guard status.kind == .directory else { throw .path(PathError(.exists, newPath)) }
            let folder = try atPath(newPath) { () throws(KernelError) in
                try target.open(newName, [.pathOnly, .directory])
            }
            return try copyFolder(found, path, merging: folder, newPath, options)
        }
        let place = try atPath(newPath) { () throws(KernelError) in
            try target.locate(named, following: followingTarget)
        }
        switch (status.kind, place.status?.kind) {
        case (.directory, nil):
            return try copyFolder(found, path, as: place, newPath, options)
        case (.directory, .directory):
            let folder = try atPath(newPath) { () throws(KernelError) in try place.folder.openDirectory(place.name) }
            return try copyFolder(found, path, merging: folder, newPath, options)
        case (.directory, _), (_, .directory):
            throw .path(PathError(.exists, newPath))
        case (.regular, _):
            if let kind = place.status?.kind, kind != .symlink { try kind.requireRegular(newPath) }
            return try copyFile(name, path, in: source, as: place, newPath, options)
        default:
            throw .path(PathError(.permissionDenied(reason: "it is \(status.kind.noun), not a file or a folder"), path))
        }
    }

    private func copyFile(
        _ name: FilePath, _ path: String, in source: borrowing PathRoot, as place: borrowing EntryPlace,
        _ newPath: String, _ options: TreeCopyOptions
    ) throws(SandboxError) -> TreeCopySummary {
        guard let named = NamedPath(name) else { throw .path(PathError(.isDirectory, path)) }
        let file = try atPath(path) { () throws(KernelError) in try source.locate(named, following: true) }
        return try TemporaryEntry.publish(in: place.folder, as: place.name, ifTaken: .replace, path: newPath) {
            (temporary) throws(SandboxError) in
            do throws(StoreError) {
                return try TreeCopier.copy(file.name, in: file.folder, to: temporary, in: place.folder, options)
            } catch {
                throw SandboxError(error, path: path)
            }
        }
    }

    private func copyFolder(
        _ source: borrowing OwnedFD, _ path: String, as place: borrowing EntryPlace, _ newPath: String,
        _ options: TreeCopyOptions
    ) throws(SandboxError) -> TreeCopySummary {
        try TemporaryEntry.publish(in: place.folder, as: place.name, ifTaken: .refuse, path: newPath) {
            (temporary) throws(SandboxError) in
            try copyContents(of: source, path, to: temporary, in: place.folder, newPath, options)
        }
    }

    /// The copy is made whole before it is merged, in the folder itself: only there it surely is on the same filesystem.
    private func copyFolder(
        _ source: borrowing OwnedFD, _ path: String, merging target: borrowing OwnedFD, _ newPath: String,
        _ options: TreeCopyOptions
    ) throws(SandboxError) -> TreeCopySummary {
        try atPath(newPath) { () throws(KernelError) in try KernelFilesystem.refuseChanges(in: target) }
        return try TemporaryEntry.withName(in: target) { (temporary) throws(SandboxError) in
            let summary = try copyContents(of: source, path, to: temporary, in: target, newPath, options)
            let copy = try atPath(newPath) { () throws(KernelError) in try target.openDirectory(temporary) }
            try TreeMerge.moveEntries(of: copy, into: target, path: newPath)
            try atPath(newPath) { () throws(KernelError) in try target.removeDirectory(temporary) }
            return summary
        }
    }

    private func copyContents(
        of source: borrowing OwnedFD, _ path: String, to name: FilePath, in folder: borrowing OwnedFD,
        _ newPath: String, _ options: TreeCopyOptions
    ) throws(SandboxError) -> TreeCopySummary {
        let isWithin = try atPath(newPath) { () throws(KernelError) in try folder.liesIn(source.status().identity) }
        if isWithin {
            throw .path(PathError(.permissionDenied(reason: "a folder cannot be copied into itself"), path))
        }
        let readable = try atPath(path) { () throws(KernelError) in try source.open(".", [.read, .directory]) }
        let copy = try atPath(newPath) { () throws(KernelError) in
            try folder.makeDirectory(name, permissions: 0o700)
            return try folder.openDirectory(name)
        }
        do throws(StoreError) {
            return try TreeCopier.copyContents(of: readable, into: copy, options)
        } catch {
            throw SandboxError(error, path: path)
        }
    }
}
