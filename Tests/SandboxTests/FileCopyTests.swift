import Kernel
import Store
import Synchronization
import Testing

@testable import Sandbox

@Suite struct FileCopyTests {
    let folder: FileAccessFolder
    /// What is copied in, as the host names it.
    let hostTree: String

    init() throws {
        folder = try FileAccessFolder()
        hostTree = folder.path + "/host"
        let host = try FileAccess(root: OwnedFD.open("/", [.pathOnly, .directory]))
        try host.makeDirectory(hostTree + "/inner/empty", parents: true)
        _ = try host.write(Array("one".utf8), to: hostTree + "/one", permissions: 0o4751)
        _ = try host.write(Array("two2".utf8), to: hostTree + "/inner/two")
        let tree = try OwnedFD.open(FilePath(verbatim: hostTree), [.read, .directory])
        try tree.makeSymlink("link", to: "/etc/passwd")
        try tree.makeSymlink("inner/again", to: "../one")
        try tree.makeNode("fifo", kind: .fifo, permissions: 0o600)
        try OwnedFD.open(FilePath(verbatim: folder.path), [.read, .directory]).makeSymlink("host-link", to: "host")
    }

    @Test(arguments: ["/host", "/host-link"]) func copiesAFolderIn(_ name: String) throws {
        let summary = try folder.access.copyIn(folder.path + name, to: "/copy")
        #expect((summary.files, summary.bytes) == (5, 7))
        #expect(try folder.names("copy") == ["fifo", "inner", "link", "one"])
        #expect(try folder.names("copy/inner") == ["again", "empty", "two"])
        #expect(try folder.text("copy/inner/two") == "two2")
        #expect(try folder.root.readSymlink("copy/link") == "/etc/passwd")
        // Set-id bits stay behind.
        #expect(try folder.root.status(of: "copy/one").permissions == 0o751)
        #expect(try folder.root.status(of: "copy").permissions == 0o755)
    }

    @Test func copiesAFileInAndReplaces() throws {
        try folder.put("target", "old")
        try folder.root.makeSymlink("link", to: "/target")
        let summary = try folder.access.copyIn(hostTree + "/inner/again", to: "/link")
        #expect((summary.files, summary.bytes) == (1, 3))
        #expect(try folder.text("target") == "one")
        #expect(try folder.names() == ["link", "target"])
    }

    @Test func mergesIntoAFolder() throws {
        try folder.access.makeDirectory("/copy/inner/mine", parents: true)
        try folder.put("copy/inner/two", "old")
        try folder.put("copy/kept", "kept")
        _ = try folder.access.copyIn(hostTree, to: "/copy")
        #expect(try folder.names("copy") == ["fifo", "inner", "kept", "link", "one"])
        #expect(try folder.names("copy/inner") == ["again", "empty", "mine", "two"])
        #expect(try folder.text("copy/inner/two") == "two2")
        _ = try folder.access.copyIn(hostTree, to: "/copy")
        _ = try folder.access.copyIn(hostTree, to: "/")
        #expect(try folder.names() == ["copy", "fifo", "inner", "link", "one"])
    }

    @Test(arguments: ["inner", "one"]) func conflictsAreFoundBeforeAnythingIsMoved(_ name: String) throws {
        try folder.access.makeDirectory("/copy")
        if name == "one" { try folder.access.makeDirectory("/copy/one") } else { try folder.put("copy/inner", "file") }
        #expect(try pathError { () throws(SandboxError) in try folder.access.copyIn(hostTree, to: "/copy") } == .exists)
        #expect(try folder.names("copy") == [name])
    }

    @Test func refusesWhatDoesNotFit() throws {
        try folder.access.makeDirectory("/folder")
        try folder.put("file", "x")
        func kind(_ host: String, _ path: String) throws -> PathError.Kind? {
            try pathError { () throws(SandboxError) in try folder.access.copyIn(hostTree + host, to: path) }
        }
        #expect(try kind("/one", "/folder") == .exists)
        #expect(try kind("/one", "/") == .exists)
        #expect(try kind("", "/file") == .exists)
        #expect(try kind("/none", "/x") == .notFound)
        #expect(try kind("/one", "/none/x") == .notFound)
        #expect(try isDenied { () throws(SandboxError) in try folder.access.copyIn(hostTree + "/fifo", to: "/x") })
        #expect(
            try isDenied { () throws(SandboxError) in
                try folder.access.copyIn(folder.path + "/root", to: "/folder/x")
            })
        #expect(try folder.names() == ["file", "folder"])
        #expect(try folder.names("folder") == [])
    }

    @Test func cancelledCopyLeavesNothing() throws {
        try folder.access.makeDirectory("/present")
        for path in ["/new", "/present"] {
            let asked = Mutex(0)
            let error = #expect(throws: SandboxError.self) {
                try folder.access.copyIn(hostTree, to: path) {
                    asked.withLock { count in
                        count += 1
                        return count > 2
                    }
                }
            }
            guard case .store(.cancelled)? = error else {
                Issue.record("\(String(describing: error))")
                continue
            }
        }
        #expect(try folder.names() == ["present"])
        #expect(try folder.names("present") == [])
    }

    @Test func copiesOutAndDoesNotFollowWhatWasCopiedBefore() throws {
        try folder.access.makeDirectory("/work")
        try folder.put("work/file", "text", permissions: 0o4755)
        try folder.root.makeSymlink("work/trap", to: FilePath(verbatim: folder.path + "/outside"))
        let owner = try folder.root.status()
        let destination = folder.path + "/copied"
        let summary = try folder.access.copyOut("/work", to: destination, owner: (owner.owner, owner.group))
        #expect((summary.files, summary.bytes) == (2, 4))
        let copied = try OwnedFD.open(FilePath(verbatim: destination), [.read, .directory])
        #expect(try copied.status(of: "file").permissions == 0o755)

        // The second time the trap is a folder, with a file of the name of one outside.
        try folder.access.remove("/work/trap")
        try folder.access.makeDirectory("/work/trap")
        try folder.put("work/trap/secret", "overwritten")
        let owners = (owner.owner, owner.group)
        for (path, target) in [("/work", destination), ("/work/trap", destination + "/trap")] {
            #expect(
                try pathError { () throws(SandboxError) in
                    try folder.access.copyOut(path, to: target, owner: owners)
                } == .exists)
        }
        // A file takes the link's place.
        _ = try folder.access.copyOut("/work/file", to: destination + "/trap", owner: owners)
        #expect(try copied.status(of: "trap").kind == .regular)
        try folder.expectOutsideUntouched()
    }

    @Test(.enabled(if: isRoot, "only root may give files away"))
    func whatIsCopiedOutBelongsToTheHostsUser() throws {
        try folder.access.makeDirectory("/work")
        try folder.put("work/file", "text")
        _ = try folder.access.copyOut("/work", to: folder.path + "/copied", owner: (1234, 4321))
        let status = try OwnedFD.open(FilePath(verbatim: folder.path + "/copied/file"), [.read]).status()
        #expect((status.owner, status.group) == (1234, 4321))
    }

    @Test func kernelFoldersAreCopiedOutEmpty() throws {
        for path in ["proc", "proc/1", "work"] {
            try folder.root.makeDirectory(FilePath(verbatim: path), permissions: 0o755)
        }
        let access = try FileAccess(root: folder.root.open(".", [.pathOnly, .directory]))
        let owner = try folder.root.status()
        _ = try access.copyOut("/", to: folder.path + "/copied", owner: (owner.owner, owner.group))
        let host = try FileAccess(root: OwnedFD.open("/", [.pathOnly, .directory]))
        #expect(try host.list(folder.path + "/copied", recursive: true).map(\.name) == ["proc", "work"])
    }
}
