import Dispatch
import Glibc
import Kernel
import Store
import Synchronization

/// Work on the store that nobody waits for: deleting what is in the trash, merging long chains of layers.
///
/// A failure here harms nothing: what is not deleted or merged now is found again by the next garbage collection or seal.
final class Housekeeping: Sendable {
    private static let deletionAttempts = 50
    /// Folders of files made ahead of need; a seal, a rollback and a create take one each.
    private static let spares = 8
    /// They are made a moment after the request that has used some, which wants the processors for itself.
    private static let replenishmentDelay = DispatchTimeInterval.milliseconds(3)
    /// Deletions that follow each other within this time are collected together: a collection reads the whole store.
    private static let collectionDelay = DispatchTimeInterval.milliseconds(500)

    /// What is deleted waits for so long, for company and for a moment in which no request wants the processor and the disk: a
    /// snapshot is often followed by another request at once.
    private static let deletionDelay = DispatchTimeInterval.milliseconds(100)

    private let store: Store
    private let deletionIsQueued = Atomic(false)
    private let collectionIsQueued = Atomic(false)
    private let replenishmentIsQueued = Atomic(false)
    private let queue = DispatchQueue(label: "housekeeping", qos: .utility)
    private let replenishment = DispatchQueue(label: "spare files")

    init(store: Store) {
        self.store = store
    }

    /// Makes folders of files ahead of need.
    func replenishFiles(overlayMountPoints: [FilePath]) {
        if replenishmentIsQueued.exchange(true, ordering: .acquiringAndReleasing) { return }
        replenishment.asyncAfter(deadline: .now() + Self.replenishmentDelay) { [self] in
            if !replenishmentIsQueued.exchange(false, ordering: .acquiringAndReleasing) { return }
            // What cannot be made now is made, or its failure reported, by the request that needs it.
            try? store.prepareSpareFiles(Self.spares, overlayMountPoints: overlayMountPoints)
        }
    }

    /// Deletes what is in the trash, a moment later. Several requests are answered by one deletion.
    func emptyTrash() {
        if deletionIsQueued.exchange(true, ordering: .acquiringAndReleasing) { return }
        queue.asyncAfter(deadline: .now() + Self.deletionDelay) { [self] in
            deletionIsQueued.store(false, ordering: .releasing)
            deleteTrash()
        }
    }

    /// Deletes what is in the trash, again when something of it is still in use: the kernel lets go of a dead sandbox's
    /// mounts a moment after its processes are gone.
    private func deleteTrash() {
        for _ in 0..<Self.deletionAttempts {
            if (try? store.emptyTrash()) != nil { return }
            usleep(20_000)
        }
    }

    /// Moves a folder of files that nothing has mounted any more to the trash, and empties that.
    func discard(_ files: FilesID, of sandbox: SandboxID) {
        queue.async { [store] in
            try? store.discardFiles(files, of: sandbox)
        }
        emptyTrash()
    }

    /// Cleans up after an incarnation that has ended by itself.
    func destroy(_ incarnation: Incarnation) {
        queue.async { incarnation.destroy() }
    }

    /// Removes the control groups of dead engines.
    func removeAbandoned(_ groups: ControlGroups) {
        queue.async { groups.removeAbandoned() }
    }

    /// Merges runs of layers in a chain that has grown long.
    ///
    /// - Parameter base: the folders of the image `host`, opened when there is something to merge.
    func shorten(_ chain: [LayerID], of image: ImageUse, _ base: @escaping @Sendable () -> [BaseFolder]) {
        if chain.count < Store.mergeWidth { return }
        queue.async { [store] in
            guard let candidates = try? store.mergeCandidates(in: chain), !candidates.isEmpty else { return }
            let base = base()
            for candidate in candidates { _ = try? store.merge(candidate, image: image, base: base) }
        }
    }

    /// Deletes layers that nothing names any more. Several requests at once are answered by one collection.
    func collectGarbage() {
        let isFirst = collectionIsQueued.exchange(true, ordering: .acquiringAndReleasing) == false
        if !isFirst { return }
        queue.asyncAfter(deadline: .now() + Self.collectionDelay) { [self] in collectQueuedGarbage() }
    }

    private func collectQueuedGarbage() {
        if !collectionIsQueued.exchange(false, ordering: .acquiringAndReleasing) { return }
        _ = try? store.collectGarbage()
        deleteTrash()
    }

    /// Waits until everything that was asked for is done.
    func finish() {
        queue.sync {
            collectQueuedGarbage()
            deleteTrash()
        }
        // One that is to come has nothing to do any more, one that is under way is waited for.
        replenishmentIsQueued.store(false, ordering: .releasing)
        replenishment.sync {}
    }
}
