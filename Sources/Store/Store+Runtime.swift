import Kernel

/// A folder for captured processes that belongs to no snapshot and no sandbox yet: `publish` gives it to one, `discard` removes it.
public struct StagedRuntime: Sendable {
    let name: FilePath
}

// The captured processes of a snapshot or of a hibernated sandbox lie in its folder `runtime`, whose content is Checkpoint's.
extension Store {
    /// Makes an empty folder for captured processes.
    public func stageRuntime() throws(StoreError) -> StagedRuntime {
        let staged = StagedRuntime(name: FilePath(verbatim: "runtime-\(randomHex16())"))
        try onDisk { () throws(KernelError) in try staging.makeDirectory(staged.name, permissions: 0o700) }
        return staged
    }

    public func open(_ runtime: StagedRuntime) throws(StoreError) -> OwnedFD { try staging.openFolder(runtime.name) }

    /// Gives a complete folder to a snapshot, in one step.
    ///
    /// - Throws: `snapshotNotFound` when it was deleted meanwhile. On failure the folder is still staged.
    public func publish(_ runtime: StagedRuntime, for id: SnapshotID) throws(StoreError) {
        try publish(runtime, in: snapshots, id.path, ifMissing: .snapshotNotFound(id.rawValue))
    }

    /// Gives a complete folder to a sandbox that is about to hibernate, in one step.
    ///
    /// - Throws: `sandboxNotFound`. On failure the folder is still staged.
    public func publish(_ runtime: StagedRuntime, for id: SandboxID) throws(StoreError) {
        try publish(runtime, in: sandboxes, id.path, ifMissing: .sandboxNotFound(id.rawValue))
    }

    private func publish(
        _ runtime: StagedRuntime, in folder: borrowing OwnedFD, _ object: FilePath, ifMissing: StoreError
    ) throws(StoreError) {
        do throws(KernelError) {
            let target = try folder.openDirectory(object)
            try staging.rename(runtime.name, to: StoreLayout.runtime, in: target, ifTaken: .refuse)
        } catch {
            throw error.errno == .noSuchFile ? ifMissing : StoreError(error)
        }
    }

    /// Removes a folder that came to nothing.
    public func discard(_ runtime: StagedRuntime) throws(StoreError) { try discardStaged(runtime.name) }

    /// - Returns: nil when the snapshot has no captured processes on the disk.
    public func openRuntime(of id: SnapshotID) throws(StoreError) -> OwnedFD? {
        try openRuntime(in: snapshots, id.path)
    }

    /// - Returns: nil when the sandbox hibernates without processes.
    public func openRuntime(of id: SandboxID) throws(StoreError) -> OwnedFD? { try openRuntime(in: sandboxes, id.path) }

    private func openRuntime(in folder: borrowing OwnedFD, _ object: FilePath) throws(StoreError) -> OwnedFD? {
        try onDisk { () throws(KernelError) in
            try folder.openDirectoryIfPresent(FilePath(verbatim: "\(object)/\(StoreLayout.runtime)"))
        }
    }

    /// Moves the captured processes of a sandbox that has been resumed to the trash; nothing happens when there are none.
    public func discardRuntime(of id: SandboxID) throws(StoreError) {
        let folder = try openSandbox(id)
        do throws(KernelError) {
            try folder.rename(StoreLayout.runtime, to: trashName("runtime"), in: trash)
        } catch {
            if error.errno != .noSuchFile { throw StoreError(error) }
        }
    }
}
