import Glibc
import Kernel
import Synchronization
import Testing

@testable import Store

@Suite struct GarbageTests {
    let folder: TemporaryFolder
    let store: Store

    init() throws {
        folder = try TemporaryFolder()
        store = try folder.openStore()
    }

    private func makeSnapshot(of sandbox: inout SandboxRecord, in store: Store, _ text: String) throws -> SnapshotID {
        try writeFile("file", text, in: openFolder(store.overlays(of: sandbox)[0].upper))
        let sealed = try store.seal(&sandbox)
        try store.discardFiles(sealed.previousFiles, of: sandbox.id)
        let record = SnapshotRecord(sandbox: sandbox.id, image: .host, layers: sandbox.layers, sizeBytes: 0)
        try store.createSnapshot(record)
        return record.id
    }

    @Test func deletionFreesWhatNothingElseNames() throws {
        var sandbox = try store.createSandbox(NewSandbox(image: .host))
        let first = try makeSnapshot(of: &sandbox, in: store, "1")
        let second = try makeSnapshot(of: &sandbox, in: store, String(repeating: "2", count: 500_000))
        try store.deleteSandbox(sandbox.id)
        try store.deleteSnapshot(second)
        let foreseen = try store.collectGarbage(dryRun: true)
        #expect(foreseen.layers == 1)
        #expect(foreseen.snapshots == 1)
        #expect(foreseen.sandboxes == 1)
        #expect(foreseen.freedBytes > 500_000)
        #expect(try store.trash.entries().isEmpty == false)
        let done = try store.collectGarbage()
        #expect(done == foreseen)
        #expect(try store.trash.entries().isEmpty)
        #expect(try store.snapshot(first).layers.count == 1)
        #expect(try store.layers.entries().count == 1)
        #expect(try store.collectGarbage() == GarbageReport())
    }

    @Test func hardLinkedFilesCountWhenTheirLastNameGoes() throws {
        var sandbox = try store.createSandbox(NewSandbox(image: .host))
        var full: [LayerID] = []
        for number in 0..<16 {
            try writeFile(
                "file\(number)", String(repeating: "x", count: 100_000),
                in: openFolder(store.overlays(of: sandbox)[0].upper))
            full.insert(try store.seal(&sandbox).layer, at: 0)
        }
        let candidate = try #require(try store.mergeCandidates(in: full).first)
        try store.merge(candidate, image: .host, base: [])
        let record = SnapshotRecord(sandbox: sandbox.id, image: .host, layers: full, sizeBytes: 0)
        try store.createSnapshot(record)
        try store.deleteSandbox(sandbox.id)
        #expect(try store.collectGarbage(dryRun: true).layers == 0)
        try store.deleteSnapshot(record.id)
        let foreseen = try store.collectGarbage(dryRun: true)
        #expect(foreseen.layers == 17)
        #expect(foreseen.freedBytes > 16 * 100_000)
        #expect(foreseen.freedBytes < 22 * 100_000)
        #expect(try store.collectGarbage().freedBytes == foreseen.freedBytes)
    }

    @Test func damagedManifestBlocksLayersAndSaysSo() throws {
        var sandbox = try store.createSandbox(NewSandbox(image: .host))
        let id = try makeSnapshot(of: &sandbox, in: store, "precious")
        try store.deleteSandbox(sandbox.id)
        try writeFile("store/snapshots/\(id)/manifest.json", "", in: folder.directory)
        let report = try store.collectGarbage()
        #expect(report.blockedBy == [id.rawValue])
        #expect(report.layers == 0)
        #expect(try store.layers.entries().count == 1)
        try store.deleteSnapshot(id)
        #expect(try store.collectGarbage().layers == 1)
    }

    @Test func engineThatLeftLeavesItsHibernatedSandboxesOnly() throws {
        let other = try folder.openStore()
        let running = try other.createSandbox(NewSandbox(image: .host))
        var hibernated = try other.createSandbox(NewSandbox(image: .host))
        _ = try other.seal(&hibernated)
        hibernated.state = .hibernated
        try other.updateSandbox(hibernated)
        try other.leave()
        let report = try store.collectGarbage()
        #expect(throws: StoreError.self) { try store.sandbox(running.id) }
        #expect(report.sandboxes == 1)
        #expect(report.layers == 0)
        // The files that the seal left: nobody can be using them.
        #expect(try openFolder(store.path + "/sandboxes/\(hibernated.id)").entries().count == 2)
        #expect(try store.claimHibernated(hibernated.id).layers.count == 1)
    }

    @Test func livingEnginesKeepEverything() throws {
        let other = try folder.openStore()
        var sandbox = try other.createSandbox(NewSandbox(image: .host))
        _ = try other.seal(&sandbox)
        let staged = try other.copyUpper(of: sandbox)
        #expect(try store.collectGarbage() == GarbageReport())
        let record = SnapshotRecord(
            sandbox: sandbox.id, image: .host, layers: [staged.id] + sandbox.layers, sizeBytes: 0)
        try other.createSnapshot(record, adding: staged)
        #expect(try store.collectGarbage() == GarbageReport())
        #expect(try store.snapshot(record.id).layers == record.layers)
    }

    @Test func trashWithForbiddenFoldersIsEmptied() throws {
        try SampleTree.make(in: store.trash)
        try store.trash.makeDirectory("work", permissions: 0o000)
        let removed = try store.emptyTrash()
        #expect(removed.entries > 15)
        #expect(try store.trash.entries().isEmpty)
    }

    /// Two engines make and delete snapshots while a third collects: no snapshot that exists ever lacks a layer.
    @Test func collectingWhileOthersWorkLosesNothing() throws {
        let engines = [try folder.openStore(), try folder.openStore()]
        let failures = Mutex<[String]>([])
        let working = Atomic(engines.count)
        inParallel(engines.count + 1) { index in
            do {
                if index == engines.count {
                    while working.load(ordering: .acquiring) > 0 { _ = try store.collectGarbage() }
                    return
                }
                defer { working.subtract(1, ordering: .releasing) }
                let engine = engines[index]
                var sandbox = try engine.createSandbox(NewSandbox(image: .host))
                for round in 0..<60 {
                    let id = try makeSnapshot(of: &sandbox, in: engine, "\(index) \(round)")
                    let restored = try engine.createSandbox(
                        NewSandbox(image: .host, layers: engine.snapshot(id).layers, parentSnapshot: id))
                    for layer in restored.layers { _ = try engine.openContent(layer) }
                    if round % 3 == 0 { try engine.deleteSnapshot(id) }
                    try engine.deleteSandbox(restored.id)
                }
            } catch {
                failures.withLock { $0.append("\(error)") }
            }
        }
        #expect(failures.withLock { $0 } == [])
        let snapshots = try store.listSnapshots()
        #expect(snapshots.records.count == 2 * 40)
        for layer in snapshots.records.flatMap(\.layers) { _ = try store.openContent(layer) }
    }
}

/// Runs `body` on so many threads at once, with their numbers, and waits for all.
func inParallel(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    final class Job: Sendable {
        let index: Int
        let body: @Sendable (Int) -> Void
        init(_ index: Int, _ body: @escaping @Sendable (Int) -> Void) {
            self.index = index
            self.body = body
        }
    }
    var threads = [pthread_t](repeating: 0, count: count)
    for index in 0..<count {
        let job = Unmanaged.passRetained(Job(index, body)).toOpaque()
        let result = pthread_create(
            &threads[index], nil,
            { context in
                let job = Unmanaged<Job>.fromOpaque(context!).takeRetainedValue()
                job.body(job.index)
                return nil
            }, job)
        precondition(result == 0, "a thread cannot be made")
    }
    for thread in threads { pthread_join(thread, nil) }
}
