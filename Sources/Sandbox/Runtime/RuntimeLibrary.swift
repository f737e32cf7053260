import Checkpoint
import Glibc
import Store
import Synchronization

/// Captured processes that are ready in memory. What is on the disk too, or can be done without, leaves memory when there is too much
/// of it, longest unused first.
final class RuntimeLibrary: Sendable {
    private enum Key: Hashable {
        case snapshot(SnapshotID)
        /// The last fork of a sandbox, which the next one builds upon.
        case fork(SandboxID)
    }

    private struct Entry {
        let state: RuntimeState
        var lastUse: UInt64
        /// Whether it may leave memory.
        var isDispensable: Bool
    }

    private struct Shelf {
        var entries: [Key: Entry] = [:]
        var clock: UInt64 = 0

        mutating func tick() -> UInt64 {
            clock += 1
            return clock
        }
    }

    /// Each state is as many processes of the engine's as it has captured.
    private static let countLimit = 32

    private let shelf = Mutex(Shelf())
    /// In bytes: a quarter of the machine's memory.
    private let budget =
        UInt64(max(0, sysconf(Int32(_SC_PHYS_PAGES)))) * UInt64(max(0, sysconf(Int32(_SC_PAGESIZE)))) / 4

    /// - Parameter load: reads it from the disk.
    func state(
        of snapshot: SnapshotID, load: () throws(SandboxError) -> RuntimeState
    ) throws(SandboxError) -> RuntimeState {
        let present = shelf.withLock { shelf in
            let now = shelf.tick()
            shelf.entries[.snapshot(snapshot)]?.lastUse = now
            return shelf.entries[.snapshot(snapshot)]?.state
        }
        if let present { return present }
        let loaded = try load()
        return shelf.withLock { shelf in
            // Another one may have been quicker.
            if let present = shelf.entries[.snapshot(snapshot)]?.state { return present }
            place(loaded, .snapshot(snapshot), isDispensable: true, on: &shelf)
            return loaded
        }
    }

    /// Keeps a state that is only in memory yet.
    func keep(_ state: RuntimeState, of snapshot: SnapshotID) {
        shelf.withLock { place(state, .snapshot(snapshot), isDispensable: false, on: &$0) }
    }

    /// Keeps the state that children were forked from, instead of an earlier one.
    func keep(_ state: RuntimeState, ofForks sandbox: SandboxID) {
        shelf.withLock { place(state, .fork(sandbox), isDispensable: true, on: &$0) }
    }

    private func place(_ state: RuntimeState, _ key: Key, isDispensable: Bool, on shelf: inout Shelf) {
        shelf.entries[key] = Entry(state: state, lastUse: shelf.tick(), isDispensable: isDispensable)
        makeRoom(&shelf)
    }

    /// Notes that a state is on the disk.
    func isStored(_ snapshot: SnapshotID) {
        shelf.withLock { shelf in
            shelf.entries[.snapshot(snapshot)]?.isDispensable = true
            makeRoom(&shelf)
        }
    }

    func drop(_ snapshot: SnapshotID) { shelf.withLock { $0.entries[.snapshot(snapshot)] = nil } }

    /// Forgets what is kept for forks of a sandbox that is gone or runs no more.
    func dropForks(of sandbox: SandboxID) { shelf.withLock { $0.entries[.fork(sandbox)] = nil } }

    private func makeRoom(_ shelf: inout Shelf) {
        var total = shelf.entries.values.reduce(UInt64(0)) { $0 + $1.state.memoryBytes }
        let byAge = shelf.entries.filter(\.value.isDispensable).sorted { $0.value.lastUse < $1.value.lastUse }
        // The newest stays: it is what is being used.
        for (key, entry) in byAge
        where (total > budget || shelf.entries.count > Self.countLimit) && entry.lastUse != shelf.clock {
            shelf.entries[key] = nil
            total -= entry.state.memoryBytes
        }
    }
}
