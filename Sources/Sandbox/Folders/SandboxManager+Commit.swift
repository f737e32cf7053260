import Kernel
import Store

/// What a commit has done, or would do.
public struct CommitReport: Sendable {
    /// The differences that were applied; those with which the host agrees already are not among them.
    public let changes: [LayerChange]
    /// Empty unless it was only tried.
    public let conflicts: [CommitConflict]
    public let skipped: [(path: String, reason: String)]
}

/// How a commit treats the host.
public struct CommitOptions: Sendable {
    /// Relative to the folder: what is committed; nil for everything.
    public var paths: [String]?
    /// Only tell what would be done.
    public var isRehearsal: Bool
    /// Of new files, in the engine's user namespace.
    public var owner: (user: UInt32, group: UInt32)
    /// Whether replaced files keep their owners.
    public var keepsOwners: Bool

    public init(
        paths: [String]?, isRehearsal: Bool, owner: (user: UInt32, group: UInt32), keepsOwners: Bool
    ) {
        self.paths = paths
        self.isRehearsal = isRehearsal
        self.owner = owner
        self.keepsOwners = keepsOwners
    }
}

extension SandboxManager {
    /// Applies what a sandbox has changed in a copied folder to the host's own.
    ///
    /// The sandbox's files are captured first, as for a snapshot, so that what is committed is one state of them. From then on
    /// that state is what later changes are compared with.
    ///
    /// - Parameter source: as it was given when the sandbox was created.
    /// - Throws: `path(notFound)` when no such folder was copied in, or the host's is gone; `commitConflict` with everything
    ///   that changed on the host meanwhile: nothing is applied then. A failure while files take their places leaves those
    ///   before it applied, each of them whole.
    public func commit(
        _ sandbox: Sandbox, _ source: String, _ options: CommitOptions,
        isCancelled: @escaping @Sendable () -> Bool = { false }
    ) throws(SandboxError) -> CommitReport {
        _ = try sandbox.running()
        let config = sandbox.state.withLock { $0.config }
        guard let index = config.folders.firstIndex(where: { $0.source == source || $0.location == source }) else {
            throw .path(PathError(.notCopiedFolder, source))
        }
        let folder = config.folders[index]
        let host = try HostFolder(at: folder.location)
        if options.isRehearsal {
            let record = sandbox.state.withLock { $0.record }
            let plan = try plan(folder, .sandbox(record), record.image, options.paths, host)
            return CommitReport(changes: plan.changes, conflicts: plan.conflicts, skipped: plan.skipped)
        }
        let captured = try capture(sandbox, .none, isStored: false)
        let image = sandbox.state.withLock { $0.record.image }
        do throws(SandboxError) {
            var folders = config.folders
            folders[index].committed(options.paths, captured.layers)
            // The layers must be known to the store before they can be read.
            if let staged = captured.staged {
                var kept = config.folders
                kept[index].bases.append(.init(paths: [], layers: captured.layers))
                try setFolders(kept, of: sandbox, adding: staged)
            }
            let plan = try plan(folder, .layers(captured.layers, image: image), image, options.paths, host)
            if !plan.conflicts.isEmpty { throw .commitConflict(plan.conflicts) }
            try CommitRun.perform(
                plan, on: host, owner: options.owner, keepsOwners: options.keepsOwners, isCancelled: isCancelled)
            try setFolders(folders, of: sandbox, adding: nil)
            return CommitReport(changes: plan.changes, conflicts: [], skipped: plan.skipped)
        } catch {
            // The folder is compared with what it was compared with before.
            if captured.staged != nil { try? setFolders(config.folders, of: sandbox, adding: nil) }
            throw error
        }
    }

    private func plan(
        _ folder: CopiedFolder, _ side: DiffSide, _ image: ImageUse, _ paths: [String]?, _ host: borrowing HostFolder
    ) throws(SandboxError) -> CommitPlan {
        var bases: [LayeredTree] = []
        for base in folder.bases { bases.append(try tree(.layers(base.layers, image: image), image)) }
        let changed = try changes(in: folder, image: image, to: side).filter { entry in
            guard let paths, let path = folder.relative(entry.change.path) else { return true }
            return paths.contains { path.lies(atOrBelow: $0) }
        }
        return try CommitPlan(folder, bases: bases, changed, on: host)
    }
}
