import Checkpoint
import Kernel
import Store

extension SandboxManager {
    /// What a snapshot would keep now of a running sandbox's processes.
    public func explain(_ sandbox: Sandbox) throws(SandboxError) -> RuntimeExplanation {
        try sandbox.running().explainRuntime()
    }

    /// The captured processes of a snapshot; nil when it has none.
    func runtimeState(of snapshot: SnapshotRecord) throws(SandboxError) -> RuntimeState? {
        runtimes.state(of: snapshot.id)
    }

    func keep(_ runtime: RuntimeState, of snapshot: SnapshotRecord) { runtimes.keep(runtime, of: snapshot.id) }

    /// The processes of a hibernated sandbox; nil when nothing ran in it.
    func hibernatedRuntime(of sandbox: SandboxRecord) throws(SandboxError) -> RuntimeState? {
        runtimes.takeHibernated(sandbox.id)
    }

    func storeHibernated(_ state: RuntimeState, of sandbox: Sandbox) throws(SandboxError) {
        let id = sandbox.state.withLock { $0.record.id }
        runtimes.keepHibernated(state, of: id)
    }
}
