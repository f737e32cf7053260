import Kernel

/// What `Store.seal` did.
public struct SealedUpper: Sendable {
    /// The upper as an immutable layer; it is now the topmost of the sandbox's layers, of which the others may
    /// have been replaced by merged ones.
    public let layer: LayerID
    /// The folder that held the upper, of which only the work folders are left. Pass it to `discardFiles` once the
    /// overlay that used them is unmounted.
    public let previousFiles: FilesID
}

extension Store {
    /// Makes the sandbox's upper an immutable layer and gives the sandbox an empty one on top, without copying a byte.
    ///
    /// Nothing may write through an overlay that still has the old upper mounted: it would change the layer.
    ///
    /// - Parameters:
    ///   - sandbox: its record, changed on success only.
    ///   - prepared: what `prepareFilesForSeal` made; nil to make it here.
    /// - Throws: `noSpace`, `kernel`: the sandbox is as it was. `storeCorrupt` if even the way back failed.
    public func seal(_ sandbox: inout SandboxRecord, into prepared: FilesID? = nil) throws(StoreError) -> SealedUpper {
        let layer = LayerID.random()
        let previous = sandbox.files
        let files = try openSandbox(sandbox.id).openFolder(previous.path)
        var next = sandbox
        next.files = if let prepared { prepared } else { try prepareFilesForSeal(of: sandbox) }
        next.layers = try shortened([layer] + sandbox.layers)
        do throws(StoreError) {
            try stagingFolder(layer.path) { (staged: borrowing OwnedFD) throws(StoreError) in
                try onDisk { () throws(KernelError) in
                    let record = LayerRecord(id: layer, createdAt: .now)
                    try Manifest.write(record.json, as: StoreLayout.layerManifest, in: staged)
                }
                try changing { () throws(StoreError) in
                    try onDisk { () throws(KernelError) in
                        try files.rename(StoreLayout.upper, to: StoreLayout.content, in: staged)
                    }
                    do throws(StoreError) {
                        try publish(layer.path, in: layers)
                        try replaceManifest(of: next, leaving: files)
                    } catch {
                        try unseal(staged, into: files, of: sandbox.id)
                        throw error
                    }
                }
            }
        } catch {
            if prepared == nil { try discardFiles(next.files, of: sandbox.id) }
            throw error
        }
        sandbox = next
        return SealedUpper(layer: layer, previousFiles: previous)
    }

    /// Whether the sandbox shows exactly what its layers show, because nothing has been written since they were the whole of it.
    ///
    /// Nothing may write meanwhile. A sandbox without layers has an image below it, which need not be in the store any more:
    /// of that it is never said.
    public func isUntouched(_ sandbox: SandboxRecord) throws(StoreError) -> Bool {
        guard let top = sandbox.layers.first else { return false }
        let upper = try openUpper(of: sandbox)
        let origin = try openContent(top)
        return try onDisk { () throws(KernelError) in
            try SandboxFiles.isUntouched(upper, mountPoints: sandbox.overlayMountPoints, of: origin)
        }
    }

    /// Gives the upper back after a seal that failed half-way. An empty layer that had appeared is left to `collectGarbage`.
    private func unseal(
        _ staged: borrowing OwnedFD, into files: borrowing OwnedFD, of sandbox: SandboxID
    ) throws(StoreError) {
        do throws(KernelError) {
            try staged.rename(StoreLayout.content, to: StoreLayout.upper, in: files)
        } catch {
            throw .storeCorrupt(reason: "the files of sandbox \(sandbox) could not be put back: \(error)")
        }
    }
}

extension OwnedFD {
    /// As `openDirectory`, with the store's error.
    func openFolder(_ name: FilePath) throws(StoreError) -> OwnedFD {
        do throws(KernelError) {
            return try openDirectory(name)
        } catch {
            throw StoreError(error)
        }
    }
}
