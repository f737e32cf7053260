import Kernel
import Testing

@testable import Store

@Suite final class DiffTests {
    let folder: TemporaryFolder
    let store: Store
    let base: OwnedFD
    var sandbox: SandboxRecord

    init() throws {
        folder = try TemporaryFolder()
        store = try folder.openStore()
        try folder.directory.makeDirectory("base", permissions: 0o755)
        base = try folder.directory.openDirectory("base")
        try base.makeDirectory("etc", permissions: 0o755)
        try base.makeDirectory("etc/deep", permissions: 0o755)
        try writeFile("etc/motd", "hello", in: base)
        try writeFile("etc/hosts", "local", in: base)
        try writeFile("etc/deep/file", "1", in: base)
        try base.makeSymlink("link", to: "etc")
        sandbox = try store.createSandbox(NewSandbox(image: .host))
    }

    private func upper() throws -> OwnedFD { try openFolder(store.overlays(of: sandbox)[0].upper) }

    private func baseFolders() throws -> [BaseFolder] {
        [BaseFolder(mountPoint: "/", directory: try base.duplicate())]
    }

    private func changes(from: DiffSide = .image(.host), to: DiffSide? = nil) throws -> [String] {
        try store.diff(from: from, to: to ?? .sandbox(sandbox), base: baseFolders()).map {
            "\($0.kind) \($0.path) \($0.type) \($0.type == .directory ? 0 : $0.size)"
        }
    }

    /// Copies a file of the base into the upper as overlayfs does before a change.
    private func copyUp(_ path: FilePath) throws {
        var parents: FilePath = ""
        for name in path.components.dropLast() {
            parents = parents.appending(name)
            try upper().makeDirectoryIfAbsent(parents, permissions: 0o755)
        }
        _ = try TreeCopier.copy(path, in: base, to: path, in: upper(), TreeCopyOptions())
    }

    @Test func emptyUpperIsNoChange() throws {
        #expect(try changes() == [])
    }

    @Test func copiedUpFileIsNoChangeUntilItDiffers() throws {
        try copyUp("etc/motd")
        #expect(try changes() == [])
        try writeFile("etc/motd", "HELLO", in: upper())
        #expect(try changes() == ["modified etc/motd regular 5"])
        // Same length and time: only the content tells.
        let time = try base.status(of: "etc/motd").modified
        try upper().setTimes(of: "etc/motd", accessed: time, modified: time)
        #expect(try changes() == ["modified etc/motd regular 5"])
    }

    @Test func modeAndAttributesCount() throws {
        try copyUp("etc/motd")
        try upper().setPermissions(of: "etc/motd", 0o600)
        #expect(try changes() == ["modified etc/motd regular 5"])
        try upper().setPermissions(of: "etc/motd", 0o644)
        try upper().open("etc/motd", [.readWrite]).setExtendedAttribute("user.overlay.origin", [1])
        #expect(try changes() == [])
        try upper().open("etc/motd", [.readWrite]).setExtendedAttribute("user.mine", [1])
        #expect(try changes() == ["modified etc/motd regular 5"])
    }

    @Test func addedFolderIsReportedWithEverythingInIt() throws {
        let upper = try upper()
        try upper.makeDirectory("srv", permissions: 0o755)
        try upper.makeDirectory("srv/www", permissions: 0o755)
        try writeFile("srv/www/index", "12345678", in: upper)
        try writeFile("srv.txt", "", in: upper)
        #expect(
            try changes() == [
                "added srv directory 0", "added srv.txt regular 0", "added srv/www directory 0",
                "added srv/www/index regular 8",
            ])
    }

    @Test(.enabled(if: isRoot, "only root makes whiteouts outside of a user namespace"))
    func deletedFolderIsReportedAlone() throws {
        let upper = try upper()
        try upper.makeNode("etc", kind: .characterDevice, permissions: 0)
        try upper.makeNode("never-there", kind: .characterDevice, permissions: 0)
        #expect(try changes() == ["deleted etc directory 0"])
    }

    @Test func opaqueFolderHidesWhatLayBelow() throws {
        let upper = try upper()
        try upper.makeDirectory("etc", permissions: 0o755)
        try upper.openDirectory("etc").setExtendedAttribute(OverlayAttribute.opaque, OverlayAttribute.hidesLower)
        try writeFile("etc/new", "1", in: upper)
        #expect(
            try changes() == [
                "deleted etc/deep directory 0", "deleted etc/hosts regular 5", "deleted etc/motd regular 5",
                "added etc/new regular 1",
            ])
    }

    @Test func changeOfTypeIsToldWithWhatIsNowBelow() throws {
        let upper = try upper()
        try upper.makeDirectory("link", permissions: 0o755)
        try writeFile("link/file", "1", in: upper)
        #expect(try changes() == ["type link directory 0", "added link/file regular 1"])
    }

    @Test func snapshotsAreComparedBothWays() throws {
        try writeFile("a", "1", in: upper())
        _ = try store.seal(&sandbox)
        let first = SnapshotRecord(sandbox: sandbox.id, image: .host, layers: sandbox.layers, sizeBytes: 0)
        try store.createSnapshot(first)
        try writeFile("b", "22", in: upper())
        _ = try store.seal(&sandbox)
        let second = SnapshotRecord(sandbox: sandbox.id, image: .host, layers: sandbox.layers, sizeBytes: 0)
        try store.createSnapshot(second)
        #expect(try changes(from: .snapshot(first), to: .snapshot(second)) == ["added b regular 2"])
        #expect(try changes(from: .snapshot(second), to: .snapshot(first)) == ["deleted b regular 2"])
        #expect(try changes(from: .snapshot(second), to: .snapshot(second)) == [])
        #expect(try changes(from: .snapshot(first)) == ["added b regular 2"])
    }

    @Test func mountedBasesTakeTheirPlace() throws {
        try folder.directory.makeDirectory("skeleton", permissions: 0o755)
        try folder.directory.makeDirectory("skeleton/usr", permissions: 0o755)
        try writeFile("skeleton/usr/unseen", "x", in: folder.directory)
        let upper = try upper()
        try upper.makeDirectory("usr", permissions: 0o700)
        try copyUp("etc/motd")
        try upper.rename("etc", to: "usr/etc")
        let bases = [
            BaseFolder(mountPoint: "/", directory: try folder.directory.openDirectory("skeleton")),
            BaseFolder(mountPoint: "/usr", directory: try base.duplicate()),
        ]
        #expect(try store.diff(from: .image(.host), to: .sandbox(sandbox), base: bases) == [])
        try writeFile("usr/etc/motd", "other!", in: upper)
        try writeFile("usr/unseen", "now new", in: upper)
        let found = try store.diff(from: .image(.host), to: .sandbox(sandbox), base: bases)
        #expect(found.map(\.path) == ["usr/etc/motd", "usr/unseen"])
        #expect(found.map(\.kind) == [.modified, .added])
    }

    /// The changes between two random stacks are those that two full listings show.
    @Test(.enabled(if: isRoot, "only root makes whiteouts outside of a user namespace"), arguments: 200..<260)
    func changesAreWhatListingsShow(_ seed: Int) throws {
        var random = RandomLayers(seed: UInt64(seed))
        let stacks = try (0..<6).map { number in
            let name = FilePath(verbatim: "layer\(number)")
            try folder.directory.makeDirectory(name, permissions: 0o755)
            let layer = try folder.directory.openDirectory(name)
            try random.fill(layer)
            let id = try #require(LayerID(rawValue: "layer000000000000000\(number)"))
            return (name: Optional(id), content: SharedDirectory(layer))
        }
        let before = [stacks[0], stacks[2], stacks[4], stacks[5]]
        let after = [stacks[1], stacks[3], stacks[4], stacks[5]]
        let changes = try LayerDiff.changes(
            from: LayerStack(before, base: []), to: LayerStack(after, base: []), isCancelled: { false })
        let old = try Set(listing(of: before.map(\.content)))
        let new = try Set(listing(of: after.map(\.content)))
        func path(_ line: String) -> String { String(line.prefix { $0 != " " }) }
        let oldPaths = Set(old.map(path))
        let newPaths = Set(new.map(path))
        #expect(Set(changes.filter { $0.kind == .added }.map(\.path.description)).isSubset(of: newPaths))
        let reported = Set(changes.map(\.path.description))
        // A deleted folder stands for what was in it.
        for gone in oldPaths.subtracting(newPaths) {
            let names = gone.split(separator: "/")
            let selfAndParents = (1...names.count).map { names.prefix($0).joined(separator: "/") }
            #expect(selfAndParents.contains { reported.contains($0) }, "\(gone)")
        }
        for added in newPaths.subtracting(oldPaths) { #expect(reported.contains(added)) }
        for line in new.subtracting(old) { #expect(reported.contains(path(line)), "\(line)") }
        #expect(reported.isSubset(of: oldPaths.union(newPaths)))
    }
}
