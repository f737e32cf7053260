import JSON
import Kernel
import Testing

@testable import Store

@Suite struct SandboxRecordTests {
    let folder: TemporaryFolder
    let store: Store

    init() throws {
        folder = try TemporaryFolder()
        store = try folder.openStore()
    }

    @Test func createdSandboxIsReadBackAsItWas() throws {
        let config: JSONValue = ["env": ["A": "ö\n\"x\""], "memMiB": 1024, "ratio": 0.5]
        let made = try store.createSandbox(
            NewSandbox(name: "web", labels: ["team": "a"], image: .host, overlayMountPoints: ["/usr"], config: config))
        let read = try folder.openStore().sandbox(made.id)
        #expect(read.id == made.id)
        #expect(read.name == "web")
        #expect(read.labels == ["team": "a"])
        #expect(read.image == .host)
        #expect(read.state == .running)
        #expect(read.owner == store.engine)
        #expect(read.files == made.files)
        #expect(read.overlayMountPoints == ["/usr"])
        #expect(read.createdAt == made.createdAt)
        #expect(read.config == config)
    }

    @Test func upperAndWorkFoldersAreThereForEveryOverlay() throws {
        let sandbox = try store.createSandbox(NewSandbox(image: .host, overlayMountPoints: ["/usr", "/var/lib"]))
        let overlays = store.overlays(of: sandbox)
        #expect(overlays.map(\.mountPoint) == ["/", "/usr", "/var/lib"])
        for overlay in overlays {
            #expect(try openFolder(overlay.upper).status().permissions == 0o755)
            #expect(try openFolder(overlay.work).entries().isEmpty)
        }
        #expect(overlays[1].upper == overlays[0].upper + "/usr")
        #expect(overlays[2].upper == overlays[0].upper + "/var/lib")
    }

    @Test func sealMovesTheUpperIntoALayerAndGivesAnEmptyOne() throws {
        var sandbox = try store.createSandbox(NewSandbox(image: .host, overlayMountPoints: ["/usr"]))
        let upper = try openFolder(store.overlays(of: sandbox)[0].upper)
        try writeFile("note", "hello", in: upper)
        try upper.setPermissions(0o711)
        try upper.setPermissions(of: "usr", 0o750)

        let sealed = try store.seal(&sandbox)

        #expect(sandbox.layers == [sealed.layer])
        #expect(try store.sandbox(sandbox.id).layers == [sealed.layer])
        let content = try store.openContent(sealed.layer)
        #expect(try readFile("note", in: content) == "hello")
        #expect(try content.status().identity == upper.status().identity)
        let fresh = try openFolder(store.overlays(of: sandbox)[0].upper)
        #expect(try fresh.entries().map(\.name) == ["usr"])
        #expect(try fresh.status().permissions == 0o711)
        #expect(try fresh.status(of: "usr").permissions == 0o750)
        try store.discardFiles(sealed.previousFiles, of: sandbox.id)
        #expect(try store.lowerPaths(of: sandbox) == [store.contentPath(sealed.layer)])
        #expect(try store.lowerPaths(of: sandbox, at: "/usr") == [store.contentPath(sealed.layer) + "/usr"])
        #expect(try store.lowerPaths(of: sandbox, at: "/opt") == [])
    }

    @Test func spareFilesAreUsedUpAndLookLikeNewOnes() throws {
        let mountPoints: [FilePath] = ["/usr", "/var/lib"]
        try store.prepareSpareFiles(3, overlayMountPoints: mountPoints)
        #expect(try store.staging.entries().count == 3)
        var sandbox = try store.createSandbox(NewSandbox(image: .host, overlayMountPoints: mountPoints))
        #expect(try store.staging.entries().count == 2)
        try openFolder(store.overlays(of: sandbox)[0].upper).setPermissions(0o711)
        let sealed = try store.seal(&sandbox)
        _ = try store.prepareFiles(for: sandbox, on: [sealed.layer])
        #expect(try store.staging.entries().isEmpty)
        let upper = try openFolder(store.overlays(of: sandbox)[0].upper)
        #expect(try upper.status().permissions == 0o711)
        #expect(try upper.entries().map(\.name).sorted() == ["usr", "var"])
        for overlay in store.overlays(of: sandbox) { #expect(try openFolder(overlay.work).entries().isEmpty) }
        _ = try store.createSandbox(NewSandbox(image: .host))
        #expect(try store.staging.entries().isEmpty)
    }

    @Test func sealThatCannotBeRecordedLeavesTheSandboxAsItWas() throws {
        var sandbox = try store.createSandbox(NewSandbox(image: .host))
        let before = sandbox.files
        try writeFile("note", "hello", in: openFolder(store.overlays(of: sandbox)[0].upper))
        // Without a manifest there is nothing to exchange with a new one, which fails at the last step.
        let record = try openFolder(store.path + "/sandboxes/\(sandbox.id)")
        try record.removeFile("sandbox.json")
        #expect(throws: StoreError.self) { try store.seal(&sandbox) }
        #expect(sandbox.files == before)
        #expect(sandbox.layers.isEmpty)
        #expect(try readFile("note", in: openFolder(store.overlays(of: sandbox)[0].upper)) == "hello")
        #expect(try store.staging.entries().isEmpty)
        let left = try record.entries().map { "\($0.name)" }
        #expect(left == ["\(before)"])
    }

    @Test func switchingFilesIsARollback() throws {
        var sandbox = try store.createSandbox(NewSandbox(image: .host))
        let first = try store.seal(&sandbox)
        let parent = SnapshotID.random()
        try store.createSnapshot(
            SnapshotRecord(id: parent, sandbox: sandbox.id, image: .host, layers: sandbox.layers, sizeBytes: 0))
        _ = try store.seal(&sandbox)
        let prepared = try store.prepareFiles(for: sandbox, on: [first.layer])
        let present = sandbox.files
        let previous = try store.switchFiles(
            of: &sandbox, to: prepared, layers: [first.layer], parentSnapshot: parent)
        #expect(previous == present)
        let read = try store.sandbox(sandbox.id)
        #expect(read.files == prepared)
        #expect(read.layers == [first.layer])
        #expect(read.parentSnapshot == parent)
    }

    @Test func deletedSandboxIsGoneAndCannotBeDeletedTwice() throws {
        let sandbox = try store.createSandbox(NewSandbox(image: .host))
        try store.deleteSandbox(sandbox.id)
        #expect(throws: StoreError.self) { try store.sandbox(sandbox.id) }
        #expect(throws: StoreError.self) { try store.deleteSandbox(sandbox.id) }
    }

    @Test func sandboxOnAMissingLayerIsRefusedAndLeavesNothing() throws {
        #expect(throws: StoreError.self) {
            try store.createSandbox(NewSandbox(image: .host, layers: [.random()]))
        }
        #expect(try store.listSandboxes().records.isEmpty)
        #expect(try store.staging.entries().isEmpty)
    }

    @Test func oneEngineClaimsAHibernatedSandbox() throws {
        var sandbox = try store.createSandbox(NewSandbox(image: .host))
        let other = try folder.openStore()
        #expect(throws: StoreError.self) { try other.claimHibernated(sandbox.id) }
        sandbox.state = .hibernated
        try store.updateSandbox(sandbox)
        #expect(try other.claimHibernated(sandbox.id).owner == other.engine)
        let error = #expect(throws: StoreError.self) { try store.claimHibernated(sandbox.id) }
        guard case .sandboxInUse(_, let engine)? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(engine == other.engine)
    }
}
