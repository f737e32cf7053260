import Glibc
import JSON
import Kernel
import Testing

@testable import Store

@Suite struct SnapshotTests {
    let folder: TemporaryFolder
    let store: Store

    init() throws {
        folder = try TemporaryFolder()
        store = try folder.openStore()
    }

    private func snapshot(name: String? = nil) throws -> SnapshotRecord {
        var sandbox = try store.createSandbox(NewSandbox(image: .host))
        _ = try store.seal(&sandbox)
        let record = SnapshotRecord(
            name: name, labels: ["k": "v"], sandbox: sandbox.id, parentSnapshot: .random(), image: .host,
            layers: sandbox.layers, sizeBytes: 12, config: ["cwd": "/srv"])
        try store.createSnapshot(record)
        return record
    }

    @Test func anotherEngineReadsItAsItWas() throws {
        let made = try snapshot(name: "first")
        let read = try folder.openStore().snapshot(made.id)
        #expect(read.name == "first")
        #expect(read.labels == made.labels)
        #expect(read.sandbox == made.sandbox)
        #expect(read.parentSnapshot == made.parentSnapshot)
        #expect(read.layers == made.layers)
        #expect(read.createdAt == made.createdAt)
        #expect(read.sizeBytes == 12)
        #expect(read.config == made.config)
    }

    @Test func listsNewestFirst() throws {
        let ids = [try snapshot().id, try snapshot().id, try snapshot().id]
        #expect(try store.listSnapshots().records.map(\.id) == ids.reversed())
    }

    @Test func carriesTheRuntimeFolder() throws {
        var sandbox = try store.createSandbox(NewSandbox(image: .host))
        _ = try store.seal(&sandbox)
        let id = SnapshotID.random()
        try store.createSnapshot(
            SnapshotRecord(id: id, sandbox: sandbox.id, image: .host, layers: sandbox.layers, sizeBytes: 0))
        // Not `#expect(… == nil)`: what cannot be copied cannot be captured by the macro.
        if (try store.openRuntime(of: id)) != nil { Issue.record("a snapshot without processes has a runtime folder") }
        let staged = try store.stageRuntime()
        try writeFile("memory", "pages", in: store.open(staged))
        try store.publish(staged, for: id)
        guard let published = try store.openRuntime(of: id) else {
            Issue.record("the published runtime folder is not there")
            return
        }
        #expect(try readFile("memory", in: published) == "pages")
        #expect(try store.staging.entries().isEmpty)
    }

    @Test func aRuntimeFolderOfADeletedSnapshotStaysStaged() throws {
        let id = try snapshot().id
        let staged = try store.stageRuntime()
        try store.deleteSnapshot(id)
        #expect(throws: StoreError.self) { try store.publish(staged, for: id) }
        try store.discard(staged)
        #expect(try store.staging.entries().isEmpty)
    }

    @Test func theStoreCanBeMadeDurable() throws {
        let id = try snapshot().id
        try store.makeDurable()
        #expect(try store.snapshot(id).id == id)
    }

    @Test func deletionIsFinal() throws {
        let id = try snapshot().id
        try store.deleteSnapshot(id)
        #expect(throws: StoreError.self) { try store.deleteSnapshot(id) }
        #expect(throws: StoreError.self) { try store.snapshot(id) }
        #expect(try store.listSnapshots().records.isEmpty)
    }

    @Test func missingLayerIsRefusedAndLeavesNothing() throws {
        let record = SnapshotRecord(sandbox: .random(), image: .host, layers: [.random()], sizeBytes: 0)
        #expect(throws: StoreError.self) { try store.createSnapshot(record) }
        #expect(try store.listSnapshots().records.isEmpty)
        #expect(try store.staging.entries().isEmpty)
    }

    /// Every way in which a power cut or an editor may spoil a manifest is noticed, listed apart, and deletable.
    @Test(arguments: Spoil.allCases)
    func damageIsNoticed(_ spoil: Spoil) throws {
        let good = try snapshot()
        let bad = try snapshot()
        let path = FilePath(verbatim: "store/snapshots/\(bad.id)/manifest.json")
        let content = try folder.directory.open(path, [.read]).readToEnd()
        try folder.directory.open(path, [.write, .truncate]).writeAll(spoil.apply(to: content))

        let error = #expect(throws: StoreError.self) { try store.snapshot(bad.id) }
        switch (spoil, error) {
        case (.newerFormat, .newerVersion?): break
        case (_, .snapshotCorrupt(bad.id.rawValue, reason: _)?): break
        default: Issue.record("\(String(describing: error))")
        }
        let listing = try store.listSnapshots()
        #expect(listing.records.map(\.id) == [good.id])
        #expect(listing.damaged.map(\.id) == [bad.id.rawValue])
        try store.deleteSnapshot(bad.id)
    }

    enum Spoil: CaseIterable {
        case empty, cutShort, zeroed, oneBitFlipped, noPayload, newerFormat

        func apply(to content: [UInt8]) -> [UInt8] {
            let text = String(decoding: content, as: UTF8.self)
            switch self {
            case .empty: return []
            case .cutShort: return Array(content.prefix(content.count / 2))
            case .zeroed: return [UInt8](repeating: 0, count: content.count)
            case .oneBitFlipped:
                // In the name of a field's value, so that it stays JSON.
                return Array(text.replacing("/srv", with: "/srw").utf8)
            case .noPayload: return Array(#"{"format":1,"checksum":"fnv1a64:cbf29ce484222325"}"#.utf8)
            case .newerFormat: return Array(text.replacing("\"format\":1", with: "\"format\":9").utf8)
            }
        }
    }

    @Test func idsThatAreNoIdsCannotBeMade() {
        for text in [
            "", "snap", "../snap0123456789abcdef", "snap0123456789ABCDEF", "snap0123456789abcde", "run0123456789abcdef",
        ] {
            #expect(SnapshotID(rawValue: text) == nil)
        }
        #expect(SnapshotID(rawValue: "snap0123456789abcdef") != nil)
    }
}
