import Kernel

// A folder of files is five directories and two more for each further overlay, and making a directory takes ext4 60 to
// 200 microseconds. So some are made ahead of need, on a thread that nobody waits for; taking one is a rename.
extension Store {
    /// Makes folders of files ahead of need, until there are `count` for sandboxes with these mount points. Sandboxes,
    /// seals and rollbacks use them up. Call it on a background thread.
    ///
    /// - Throws: `noSpace`, `readOnly`, `kernel`; those that were made stay.
    public func prepareSpareFiles(_ count: Int, overlayMountPoints: [FilePath] = []) throws(StoreError) {
        while spareFiles.withLock({ $0[overlayMountPoints]?.count ?? 0 }) < count {
            let files = FilesID.random()
            do throws(KernelError) {
                try SandboxFiles.make(files, in: staging, mountPoints: overlayMountPoints)
            } catch {
                try discardStaged(files.path)
                throw StoreError(error)
            }
            spareFiles.withLock { $0[overlayMountPoints, default: []].append(files) }
        }
    }

    /// Makes a folder of files for a sandbox of an image, whose overlays may be mounted before `createSandbox` gets it. It
    /// goes with the engine if nobody uses it.
    public func makeSpareFiles(overlayMountPoints: [FilePath], on image: ImageUse) throws(StoreError) -> FilesID {
        let files = FilesID.random()
        let origin = try topRoot(layers: [], image: image)
        do throws(KernelError) {
            try placeFiles(files, in: staging, mountPoints: overlayMountPoints, like: origin)
        } catch {
            try discardStaged(files.path)
            throw StoreError(error)
        }
        return files
    }

    /// Removes what `makeSpareFiles` made and nobody used.
    public func discardSpareFiles(_ files: FilesID) throws(StoreError) { try discardStaged(files.path) }

    /// Puts a folder of files, spare or new, into a sandbox's folder. On failure a part of it may be left there.
    func placeFiles(
        _ files: FilesID, in folder: borrowing OwnedFD, mountPoints: [FilePath], like origin: borrowing OwnedFD?
    ) throws(KernelError) {
        if let spare = spareFiles.withLock({ $0[mountPoints]?.popLast() }) {
            try staging.rename(spare.path, to: files.path, in: folder)
        } else {
            try SandboxFiles.make(files, in: folder, mountPoints: mountPoints)
        }
        try SandboxFiles.takeAttributes(files, in: folder, mountPoints: mountPoints, of: origin)
    }

    /// Makes an empty upper beside a sandbox's present one. On failure nothing is left behind.
    func makeFiles(
        _ files: FilesID, of sandbox: SandboxRecord, like origin: borrowing OwnedFD?
    ) throws(StoreError) {
        let folder = try openSandbox(sandbox.id)
        do throws(KernelError) {
            try placeFiles(files, in: folder, mountPoints: sandbox.overlayMountPoints, like: origin)
        } catch {
            _ = try onDisk { () throws(KernelError) in try TreeRemover.remove(files.path, in: folder) }
            throw StoreError(error)
        }
    }
}
