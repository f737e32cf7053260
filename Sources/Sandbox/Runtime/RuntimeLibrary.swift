import Checkpoint
import Glibc
import Store
import Synchronization

/// Captured processes that are ready in memory. What is on the disk too, or can be done without, leaves memory when there is too much
/// of it, longest unused first.
final class RuntimeLibrary: Sendable {
    private enum Key: Hashable {
        case snapshot(SnapshotID)
        /// What a sandbox was last forked from, or restored to: its next capture builds upon that.
        case base(SandboxID)
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

    /// Keeps the state that a sandbox was last forked from or restored to, instead of an earlier one.
    func keep(_ state: RuntimeState, asBaseOf sandbox: SandboxID) {
        shelf.withLock { place(state, .base(sandbox), isDispensable: true, on: &$0) }
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

    /// Forgets what is kept for captures of a sandbox that is gone or runs no more.
    func dropBase(of sandbox: SandboxID) { shelf.withLock { $0.entries[.base(sandbox)] = nil } }

    private func makeRoom(_ shelf: inout Shelf) {
        // All children of a fork have one state.
        var holders: [ObjectIdentifier: Int] = [:]
        var total: UInt64 = 0
        for entry in shelf.entries.values {
            let state = ObjectIdentifier(entry.state)
            if holders[state] == nil { total += entry.state.memoryBytes }
            holders[state, default: 0] += 1
        }
        let byAge = shelf.entries.filter(\.value.isDispensable).sorted { $0.value.lastUse < $1.value.lastUse }
        // The newest stays: it is what is being used.
        for (key, entry) in byAge
        where (total > budget || holders.count > Self.countLimit) && entry.lastUse != shelf.clock {
            shelf.entries[key] = nil
            let state = ObjectIdentifier(entry.state)
            holders[state, default: 1] -= 1
            if holders[state] == 0 {
                holders[state] = nil
                total -= entry.state.memoryBytes
            }
        }
    }
}
