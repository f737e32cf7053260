import Checkpoint
import Kernel
import Store

extension SandboxManager {
    /// What a snapshot would keep now of a running sandbox's processes.
    public func explain(_ sandbox: Sandbox) throws(SandboxError) -> RuntimeExplanation {
        try sandbox.running().explainRuntime(ownFiles: ownFiles(of: sandbox))
    }

    /// The files that a sandbox may change in place.
    func ownFiles(of sandbox: Sandbox) throws(SandboxError) -> OwnFiles {
        let record = sandbox.state.withLock { $0.record }
        return try onStore { () throws(StoreError) in try store.ownFiles(of: record) }
    }

    /// The captured processes that a restore or rollback shall bring back; nil for none.
    ///
    /// - Throws: `runtimeStateUnsupported` when all are required and the snapshot has dropped some; `snapshotIncompatible`
    ///   when they cannot be had here; `runtimeStateCorrupt`.
    func runtimeState(
        of snapshot: SnapshotRecord, _ report: Sandbox.RuntimeReport, _ choice: RuntimeChoice
    ) throws(SandboxError) -> RuntimeState? {
        if choice == .require, !report.dropped.isEmpty {
            throw .runtimeStateUnsupported(
                report.dropped.map { .init(pid: $0.pid, command: $0.command, reason: $0.reason) })
        }
        if choice == .none || report.kept == 0 { return nil }
        return try runtimes.state(of: snapshot.id) { () throws(SandboxError) in
            guard let folder = try onStore({ () throws(StoreError) in try store.openRuntime(of: snapshot.id) }) else {
                throw .snapshotIncompatible(
                    id: snapshot.id.rawValue,
                    reason: "its processes are not on the disk: either the engine that took it is about to write "
                        + "them, or it ended before it could")
            }
            return try readState(from: folder, of: snapshot.id.rawValue)
        }
    }

    /// The processes of a hibernated sandbox; nil when nothing ran in it.
    func hibernatedRuntime(of id: SandboxID, _ choice: RuntimeChoice) throws(SandboxError) -> RuntimeState? {
        if choice == .none { return nil }
        guard let folder = try onStore({ () throws(StoreError) in try store.openRuntime(of: id) }) else { return nil }
        return try readState(from: folder, of: id.rawValue)
    }

    private func readState(
        from folder: consuming OwnedFD, of id: String
    ) throws(SandboxError) -> RuntimeState {
        let folder = StateFolder(folder)
        do throws(CheckpointError) {
            return try RuntimeState(readFrom: folder, ingredients.templateProgram)
        } catch {
            throw SandboxError(error, of: id)
        }
    }

    /// Makes a folder that captured processes can be stored in.
    func stageRuntime() throws(SandboxError) -> (StagedRuntime, StateFolder) {
        try onStore { () throws(StoreError) in
            let staged = try store.stageRuntime()
            return (staged, StateFolder(try store.open(staged)))
        }
    }

    /// Captures all processes of a sandbox to the disk and hands them to it; `retire` is called while they still stand.
    func captureForHibernation(
        _ sandbox: Sandbox, _ incarnation: Incarnation,
        _ retire: @escaping @Sendable () throws(SandboxError) -> Void
    ) throws(SandboxError) {
        let ownFiles = try ownFiles(of: sandbox)
        let (staged, folder) = try stageRuntime()
        let (store, id) = (store, sandbox.state.withLock { $0.record.id })
        do throws(SandboxError) {
            try incarnation.takeAway(to: folder, ownFiles: ownFiles) { () throws(SandboxError) in
                try onStore { () throws(StoreError) in try store.publish(staged, for: id) }
                do throws(SandboxError) {
                    try retire()
                } catch {
                    try? store.discardRuntime(of: id)
                    throw error
                }
            }
        } catch {
            try? store.discard(staged)
            throw error
        }
    }
}
