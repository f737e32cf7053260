import Checkpoint
import Store
import Synchronization

/// The captured processes of snapshots, ready in memory.
final class RuntimeLibrary: Sendable {
    private let states = Mutex<[SnapshotID: RuntimeState]>([:])
    private let hibernated = Mutex<[SandboxID: RuntimeState]>([:])

    func state(of snapshot: SnapshotID) -> RuntimeState? { states.withLock { $0[snapshot] } }

    func keep(_ state: RuntimeState, of snapshot: SnapshotID) { states.withLock { $0[snapshot] = state } }

    func drop(_ snapshot: SnapshotID) { states.withLock { $0[snapshot] = nil } }

    func keepHibernated(_ state: RuntimeState, of sandbox: SandboxID) { hibernated.withLock { $0[sandbox] = state } }

    func takeHibernated(_ sandbox: SandboxID) -> RuntimeState? {
        hibernated.withLock { $0.removeValue(forKey: sandbox) }
    }
}
