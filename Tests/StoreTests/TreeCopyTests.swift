import Glibc
import Kernel
import Testing

@testable import Store

@Suite final class TreeCopyTests {
    let folder: TemporaryFolder
    let source: OwnedFD
    let target: OwnedFD

    init() throws {
        folder = try TemporaryFolder()
        try folder.directory.makeDirectory("from", permissions: 0o700)
        try folder.directory.makeDirectory("to", permissions: 0o700)
        source = try folder.directory.openDirectory("from")
        target = try folder.directory.openDirectory("to")
    }

    private func copy(_ options: TreeCopyOptions = TreeCopyOptions()) throws -> TreeCopySummary {
        try TreeCopier.copyContents(of: source, into: target, options)
    }

    @Test(.enabled(if: isRoot, "only root reads files that forbid it"))
    func copyOfATreeWithEverythingInItIsEqual() throws {
        try SampleTree.make(in: source)
        let summary = try copy()
        let expected = try TreeListing.read(source)
        #expect(try TreeListing.read(target) == expected)
        #expect(summary.files == Int64(expected.lines.count { !$0.contains(" directory ") }))
    }

    @Test func holesStayHoles() throws {
        let sparse = try source.open("sparse", [.readWrite, .create], permissions: 0o600)
        try sparse.setSize(2 * 1024 * 1024)
        for offset in [0, 900_000, 2 * 1024 * 1024 - 5] {
            try check("lseek") { lseek(sparse.rawValue, offset, SEEK_SET) }
            try sparse.writeAll(Array("data!".utf8))
        }
        _ = try copy()
        let status = try target.status(of: "sparse")
        #expect(status.size == 2 * 1024 * 1024)
        #expect(status.allocatedSize < 256 * 1024)
        #expect(try target.open("sparse", [.read]).readToEnd() == source.open("sparse", [.read]).readToEnd())
    }

    @Test func copiesAndRemovesATreeDeeperThanAnyPath() throws {
        var cursor = try DirectoryCursor(at: source)
        for _ in 0..<3000 {
            try cursor.current.makeDirectory("directory", permissions: 0o700)
            try cursor.descend(into: "directory")
        }
        try writeFile("bottom", "deep", in: cursor.current)
        try cursor.current.link("bottom", to: "other", in: source)
        _ = try copy()
        var copied = try DirectoryCursor(at: target)
        for _ in 0..<3000 { try copied.descend(into: "directory") }
        #expect(try readFile("bottom", in: copied.current) == "deep")
        #expect(try copied.current.status(of: "bottom").identity == target.status(of: "other").identity)
        #expect(try TreeRemover.remove("to", in: folder.directory).entries == 3003)
        #expect(try folder.directory.statusIfPresent(of: "to") == nil)
    }

    @Test func cancelledCopyEnds() throws {
        try writeFile("file", "x", in: source)
        let error = #expect(throws: StoreError.self) { try copy(TreeCopyOptions(isCancelled: { true })) }
        guard case .cancelled? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test func symlinksAreCopiedAndNeverFollowed() throws {
        try source.makeSymlink("passwd", to: "/etc/passwd")
        try source.makeSymlink("etc", to: "/etc")
        #expect(try copy() == TreeCopySummary(files: 2, bytes: 0))
        #expect(try target.readSymlink("etc") == "/etc")
    }

    @Test func refusesATakenName() throws {
        try writeFile("a", "1", in: source)
        try writeFile("b", "2", in: target)
        #expect(throws: StoreError.self) {
            try TreeCopier.copy("a", in: source, to: "b", in: target, TreeCopyOptions())
        }
        #expect(try readFile("b", in: target) == "2")
    }

    @Test func setIDBitsStayBehindWhenTheOwnerChanges() throws {
        try writeFile("program", "#!", in: source)
        try source.setPermissions(of: "program", 0o6755)
        _ = try copy(TreeCopyOptions(ownership: .all(owner: geteuid(), group: getegid())))
        #expect(try target.status(of: "program").permissions == 0o755)
    }

    @Test func copiesASingleFileUnderAnotherName() throws {
        try writeFile("a", "1", in: source, permissions: 0o640)
        let summary = try TreeCopier.copy("a", in: source, to: "b", in: target, TreeCopyOptions())
        #expect(summary == TreeCopySummary(files: 1, bytes: 1))
        #expect(try target.status(of: "b").permissions == 0o640)
    }

    @Test(.enabled(if: hasOtherUsers, "there is only one user id here to give files to"))
    func ownershipCanBeGivenToOne() throws {
        try SampleTree.make(in: source)
        _ = try copy(TreeCopyOptions(ownership: .all(owner: 7, group: 8), attributes: .user))
        #expect(try TreeListing.read(target).lines.allSatisfy { $0.contains(" 7:8 ") })
    }

    @Test(.enabled(if: isRoot, "only root makes device nodes"))
    func whiteoutsAreCopied() throws {
        try source.makeNode("gone", kind: .characterDevice, permissions: 0, device: 0)
        _ = try copy()
        let status = try target.status(of: "gone")
        #expect(status.kind == .characterDevice)
        #expect(status.representedDevice == 0)
    }
}
