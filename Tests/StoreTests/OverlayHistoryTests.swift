import Glibc
import Kernel
import Testing

@testable import Store

/// Real overlays of the kernel over the store's layers, through a long history of random changes.
@Suite(.enabled(if: isRoot, "only root mounts an overlay outside of a user namespace"))
struct OverlayHistoryTests {
    let folder: TemporaryFolder
    let store: Store

    init() throws {
        folder = try TemporaryFolder()
        store = try folder.openStore()
        try folder.directory.makeDirectory("mount", permissions: 0o755)
        try folder.directory.makeDirectory("base", permissions: 0o755)
        var random = SeededGenerator(state: 77)
        let base = try folder.directory.openDirectory("base")
        for _ in 0..<60 { try change(base, &random) }
    }

    private func mounted(_ sandbox: SandboxRecord) throws -> OverlayMount {
        let overlay = store.overlays(of: sandbox)[0]
        return try OverlayMount(
            lowers: store.lowerPaths(of: sandbox) + [folder.path + "/base"], upper: overlay.upper,
            work: overlay.work, at: folder.path + "/mount")
    }

    private func base() throws -> [BaseFolder] {
        [BaseFolder(mountPoint: "/", directory: try folder.directory.openDirectory("base"))]
    }

    /// One random change at a random place, as a program makes it.
    private func change(_ root: borrowing OwnedFD, _ random: inout SeededGenerator) throws {
        var place = try root.open(".", [.read, .directory])
        while Bool.random(using: &random) {
            let folders = try place.entries().filter { $0.kind == .directory }.map(\.name).sorted()
            guard let name = folders.randomElement(using: &random) else { break }
            place = try place.openDirectory(name)
        }
        let name = ["a", "b", "c", "d", "e"].map(FilePath.init(verbatim:)).randomElement(using: &random)!
        let present = try place.statusIfPresent(of: name)?.kind
        switch (UInt8.random(in: 0..<10, using: &random), present) {
        case (0...2, _?): try TreeRemover.remove(name, in: place)
        case (3, _?) where present != .directory:
            try TreeRemover.remove("linked", in: place)
            try place.link(name, to: "linked", in: place)
        case (_, .regular?): try writeFile(name.description, "changed \(random.next() % 100)", in: place)
        case (_, .directory?): try place.setPermissions(of: name, [0o700, 0o755, 0o711].randomElement(using: &random)!)
        case (0...4, nil): try place.makeDirectory(name, permissions: 0o755)
        case (5...8, nil): try writeFile(name.description, "new \(random.next() % 100)", in: place)
        case (9, nil): try place.makeSymlink(name, to: "a")
        default: break
        }
    }

    @Test(arguments: 0..<6)
    func historyIsKeptThroughSealsMergesAndRollbacks(_ seed: Int) throws {
        var random = SeededGenerator(state: UInt64(seed))
        var sandbox = try store.createSandbox(NewSandbox(image: .host))
        var history: [(layers: [LayerID], record: SnapshotRecord, listing: [String])] = []
        for _ in 0..<70 {
            do {
                let overlay = try mounted(sandbox)
                for _ in 0..<8 { try change(overlay.root, &random) }
            }
            let sealed = try store.seal(&sandbox)
            try store.discardFiles(sealed.previousFiles, of: sandbox.id)
            let overlay = try mounted(sandbox)
            let record = SnapshotRecord(sandbox: sandbox.id, image: .host, layers: sandbox.layers, sizeBytes: 0)
            try store.createSnapshot(record)
            history.append((sandbox.layers, record, try listing(of: overlay.root)))
            for candidate in try store.mergeCandidates(in: sandbox.layers) {
                try store.merge(candidate, image: .host, base: base())
            }
        }
        #expect(sandbox.layers.count < 40)
        for past in history {
            let prepared = try store.prepareFiles(for: sandbox, on: past.layers)
            let previous = try store.switchFiles(
                of: &sandbox, to: prepared, layers: past.layers, parentSnapshot: past.record.id)
            try store.discardFiles(previous, of: sandbox.id)
            let overlay = try mounted(sandbox)
            #expect(try strictListing(of: overlay.root) == past.listing)
            #expect(try store.diff(from: .snapshot(past.record), to: .sandbox(sandbox), base: base()) == [])
        }
    }

    /// Every name that a folder lists is there.
    private func strictListing(of root: borrowing OwnedFD) throws -> [String] {
        func requireAll(_ folder: borrowing OwnedFD) throws {
            for entry in try folder.entries() {
                if try folder.status(of: entry.name).kind == .directory {
                    try requireAll(folder.openDirectory(entry.name))
                }
            }
        }
        try requireAll(root)
        return try listing(of: root)
    }

    @Test func copiedUpperShowsTheSame() throws {
        var random = SeededGenerator(state: 5)
        var sandbox = try store.createSandbox(NewSandbox(image: .host))
        do {
            let overlay = try mounted(sandbox)
            for _ in 0..<80 { try change(overlay.root, &random) }
        }
        let staged = try store.copyUpper(of: sandbox)
        let record = SnapshotRecord(
            sandbox: sandbox.id, image: .host, layers: [staged.id] + sandbox.layers, sizeBytes: 0)
        try store.createSnapshot(record, adding: staged)
        let expected = try listing(of: mounted(sandbox).root)
        #expect(try store.diff(from: .snapshot(record), to: .sandbox(sandbox), base: base()) == [])
        let restored = try store.createSandbox(
            NewSandbox(image: .host, layers: record.layers, parentSnapshot: record.id))
        #expect(try listing(of: mounted(restored).root) == expected)
        _ = try store.seal(&sandbox)
    }

    /// The changes that a diff against the base tells, applied in mind to the base, give what the overlay shows.
    @Test func diffAgainstTheBaseIsComplete() throws {
        var random = SeededGenerator(state: 9)
        let sandbox = try store.createSandbox(NewSandbox(image: .host))
        let overlay = try mounted(sandbox)
        for _ in 0..<60 { try change(overlay.root, &random) }
        let before = try Set(listing(of: folder.directory.openDirectory("base")))
        let after = try Set(listing(of: overlay.root))
        let changes = try store.diff(from: .image(.host), to: .sandbox(sandbox), base: base())
        let reported = Set(changes.map(\.path.description))
        for line in after.subtracting(before) {
            #expect(reported.contains(String(line.prefix { $0 != " " })), "\(line)")
        }
        for change in changes where change.kind == .added || change.kind == .type {
            #expect(after.contains { $0.hasPrefix(change.path.description + " ") })
        }
        for change in changes where change.kind == .deleted {
            #expect(before.contains { $0.hasPrefix(change.path.description + " ") })
            #expect(!after.contains { $0.hasPrefix(change.path.description + " ") })
        }
    }
}
