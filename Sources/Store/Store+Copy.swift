import Kernel

/// A layer that is complete but that no snapshot names yet: `createSnapshot` publishes it, `discard` removes it.
public struct StagedLayer: Sendable {
    public let id: LayerID
    public let copied: TreeCopySummary
}

/// The files in the layer that a sandbox writes to.
public final class OwnFiles: Sendable {
    private let upper: OwnedFD

    fileprivate init(_ upper: consuming OwnedFD) { self.upper = upper }

    /// - Parameter path: inside the sandbox, without symbolic links.
    public func holds(_ path: String) throws(KernelError) -> Bool {
        guard let path = FilePath("./" + path) else { return false }
        do throws(KernelError) {
            _ = try upper.open(path, [.pathOnly, .noFollow], resolving: [.beneath, .noSymlinks])
            return true
        } catch {
            if [.noSuchFile, .notDirectory, .tooManyLinks].contains(error.errno) { return false }
            throw error
        }
    }
}

extension Store {
    /// Copies the sandbox's upper, exactly, into a new layer: for a snapshot of a sandbox whose processes live on.
    ///
    /// Nothing may write to the sandbox's files meanwhile; the caller has frozen its processes.
    /// - Throws: `cancelled`, `noSpace`, `kernel`. On failure nothing is left behind.
    public func copyUpper(
        of sandbox: SandboxRecord, isCancelled: @escaping @Sendable () -> Bool = { false }
    ) throws(StoreError) -> StagedLayer {
        let upper = try openUpper(of: sandbox)
        let layer = LayerID.random()
        var copied = TreeCopySummary()
        try stagingFolder(layer.path) { (staged: borrowing OwnedFD) throws(StoreError) in
            try onDisk { () throws(KernelError) in
                try Manifest.write(
                    LayerRecord(id: layer, createdAt: .now).json, as: StoreLayout.layerManifest, in: staged)
                try staged.makeDirectory(StoreLayout.content, permissions: 0o700)
            }
            copied = try TreeCopier.copyContents(
                of: upper, into: staged.openFolder(StoreLayout.content), TreeCopyOptions(isCancelled: isCancelled))
        }
        return StagedLayer(id: layer, copied: copied)
    }

    /// Removes a staged layer that came to nothing.
    public func discard(_ staged: StagedLayer) throws(StoreError) { try discardStaged(staged.id.path) }

    /// What tells the files that a sandbox has written itself from those of its image and its history.
    public func ownFiles(of sandbox: SandboxRecord) throws(StoreError) -> OwnFiles {
        OwnFiles(try openUpper(of: sandbox))
    }

    func openUpper(of sandbox: SandboxRecord) throws(StoreError) -> OwnedFD {
        try openSandbox(sandbox.id).openFolder(sandbox.files.path).openFolder(StoreLayout.upper)
    }
}
