import Checkpoint
import Dispatch
import Kernel
import Store
import Synchronization

/// Makes snapshots outlive a power cut, in the background, and tells when they do.
final class Durability: Sendable {
    typealias Outcome = Result<Void, SandboxError>

    private struct Pending {
        let snapshot: SnapshotID
        let outcome: Promise<Outcome>
    }

    /// Snapshots that follow each other within this time become durable together.
    private static let delay = DispatchTimeInterval.seconds(1)

    private let store: Store
    private let report: @Sendable (String) -> Void
    private let handler = Mutex<(@Sendable (SnapshotID, SandboxError?) -> Void)?>(nil)
    /// Complete, but perhaps not written to the disk itself.
    private let pending = Mutex<[Pending]>([])
    private let flushIsQueued = Atomic(false)
    private let flushes = DispatchQueue(label: "durability", qos: .utility)
    private let publications = DispatchQueue(label: "publication", qos: .utility, attributes: .concurrent)

    /// - Parameter report: gets a sentence about what a person should know.
    init(store: Store, report: @escaping @Sendable (String) -> Void) {
        self.store = store
        self.report = report
    }

    /// Calls back for every snapshot, with the failure if it would not outlive a power cut.
    func onOutcome(_ handler: @escaping @Sendable (SnapshotID, SandboxError?) -> Void) {
        self.handler.withLock { $0 = handler }
    }

    /// Sees to a snapshot without processes, a moment later; at once when `isUrgent`.
    func follow(_ snapshot: SnapshotID, isUrgent: Bool) -> Promise<Outcome> {
        let outcome = Promise<Outcome>()
        enqueue(Pending(snapshot: snapshot, outcome: outcome), isUrgent: isUrgent)
        return outcome
    }

    /// Sees to a snapshot whose processes are still being written to a staged folder.
    ///
    /// - Parameter isPublished: called when the snapshot has got the folder.
    func follow(
        _ snapshot: SnapshotID, _ state: RuntimeState, in staged: StagedRuntime, isUrgent: Bool,
        isPublished: @escaping @Sendable () -> Void
    ) -> Promise<Outcome> {
        let outcome = Promise<Outcome>()
        publications.async { [self] in
            do throws(SandboxError) {
                try publish(state, in: staged, for: snapshot)
            } catch {
                return settle(Pending(snapshot: snapshot, outcome: outcome), .failure(error))
            }
            isPublished()
            enqueue(Pending(snapshot: snapshot, outcome: outcome), isUrgent: isUrgent)
        }
        return outcome
    }

    /// Makes what else is in the store, as what hibernates and images, outlive a power cut, a moment later.
    func followStore() { queueFlush() }

    /// Waits until everything is complete in the store.
    func finish() { publications.sync(flags: .barrier) {} }

    private func publish(
        _ state: RuntimeState, in staged: StagedRuntime, for snapshot: SnapshotID
    ) throws(SandboxError) {
        do throws(SandboxError) {
            do throws(CheckpointError) {
                try state.waitUntilStored()
            } catch {
                throw SandboxError(error, of: snapshot.rawValue)
            }
            try onStore { () throws(StoreError) in try store.publish(staged, for: snapshot) }
        } catch {
            // What cannot be removed now goes with the engine.
            try? store.discard(staged)
            throw error
        }
    }

    private func enqueue(_ snapshot: Pending, isUrgent: Bool) {
        pending.withLock { $0.append(snapshot) }
        if isUrgent { flushes.async { [self] in flush() } } else { queueFlush() }
    }

    private func queueFlush() {
        if flushIsQueued.exchange(true, ordering: .acquiringAndReleasing) { return }
        flushes.asyncAfter(deadline: .now() + Self.delay) { [self] in
            flushIsQueued.store(false, ordering: .releasing)
            flush()
        }
    }

    private func flush() {
        let snapshots = pending.withLock { pending in
            defer { pending = [] }
            return pending
        }
        do throws(SandboxError) {
            try onStore { () throws(StoreError) in try store.makeDurable() }
            for snapshot in snapshots { settle(snapshot, .success(())) }
        } catch {
            for snapshot in snapshots { settle(snapshot, .failure(error)) }
        }
    }

    private func settle(_ snapshot: Pending, _ outcome: Outcome) {
        snapshot.outcome.fulfil(outcome)
        switch outcome {
        case .success: handler.withLock { $0 }?(snapshot.snapshot, nil)
        case .failure(.store(.snapshotNotFound)): break  // It was deleted meanwhile: nobody asks any more.
        case .failure(let error):
            report("snapshot \(snapshot.snapshot) would not outlive this engine or a power cut: \(error)")
            handler.withLock { $0 }?(snapshot.snapshot, error)
        }
    }
}
