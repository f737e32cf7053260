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
    public func holds(_ path: String) throws(KernelError) -> Bool { try identity(of: path) != nil }

    /// - Parameter path: as of `holds`.
    /// - Returns: nil when the file is none of these.
    func identity(of path: String) throws(KernelError) -> FileIdentity? {
        guard let path = FilePath("./" + path) else { return nil }
        do throws(KernelError) {
            return try upper.open(path, [.pathOnly, .noFollow], resolving: [.beneath, .noSymlinks]).status().identity
        } catch {
            if [.noSuchFile, .notDirectory, .tooManyLinks].contains(error.errno) { return nil }
            throw error
        }
    }
}

extension Store {
    /// Copies the sandbox's upper, exactly, into a new layer.
    ///
    /// Nothing may write to the sandbox's files meanwhile.
    /// - Throws: `notCopyable`, `noSpace`, `kernel`. On failure nothing is left behind.
    public func copyUpper(of sandbox: SandboxRecord) throws(StoreError) -> StagedLayer {
        let copy = try beginCopy(ofUpperOf: sandbox)
        do throws(StoreError) {
            return try copy.complete().layer
        } catch {
            try discard(copy)
            throw error
        }
    }

    /// Removes a staged layer that came to nothing.
    public func discard(_ staged: StagedLayer) throws(StoreError) { try discardStaged(staged.id.path) }

    /// Removes what was copied and came to nothing.
    public func discard(_ copy: UpperCopy) throws(StoreError) { try discardStaged(copy.layer.path) }

    /// What tells the files that a sandbox has written itself from those of its image and its history.
    public func ownFiles(of sandbox: SandboxRecord) throws(StoreError) -> OwnFiles {
        OwnFiles(try openUpper(of: sandbox))
    }

    func openUpper(of sandbox: SandboxRecord) throws(StoreError) -> OwnedFD {
        try openSandbox(sandbox.id).openFolder(sandbox.files.path).openFolder(StoreLayout.upper)
    }
}
