import Kernel
import Testing

@testable import Sandbox

@Suite struct FileTreeTests {
    let folder: FileAccessFolder

    init() throws { folder = try FileAccessFolder() }

    @Test func describesEveryKind() throws {
        try folder.put("file", "12345", permissions: 0o640)
        try folder.root.makeSymlink("link", to: "file")
        try folder.root.makeNode("fifo", kind: .fifo, permissions: 0o600)
        let file = try folder.access.entry(at: "/file")
        let status = try folder.root.status(of: "file")
        #expect((file.name, file.kind, file.size, file.permissions) == ("file", .regular, 5, 0o640))
        #expect((file.owner, file.group, file.modified) == (status.owner, status.group, status.modified))
        #expect(file.target == nil)
        let link = try folder.access.entry(at: "/link")
        #expect((link.kind, link.target) == (.symlink, "file"))
        #expect(try folder.access.entry(at: "/fifo").kind == .fifo)
        #expect(try folder.access.entry(at: "/").kind == .directory)
        #expect(try pathError { () throws(SandboxError) in try folder.access.entry(at: "/none") } == .notFound)
        #expect(try pathError { () throws(SandboxError) in try folder.access.entry(at: "/file/x") } == .notDirectory)
    }

    @Test func listsSortedAndWithoutFollowing() throws {
        try folder.root.makeDirectory("b", permissions: 0o755)
        try folder.put("b/two", "22")
        try folder.put("b/one", "1")
        try folder.put("a", "")
        try folder.root.makeSymlink("c", to: "b")
        #expect(try folder.access.list("/").map(\.name) == ["a", "b", "c"])
        #expect(try folder.access.list("/c").map(\.name) == ["one", "two"])
        let all = try folder.access.list("/", recursive: true)
        #expect(all.map(\.name) == ["a", "b", "b/one", "b/two", "c"])
        #expect(all.last?.target == "b")
        #expect(try pathError { () throws(SandboxError) in try folder.access.list("/a") } == .notDirectory)
        #expect(try pathError { () throws(SandboxError) in try folder.access.list("/none") } == .notFound)
    }

    @Test func doesNotListWhatTheKernelMounts() throws {
        for path in ["proc", "proc/1", "dev", "sys", "deep", "deep/proc", "deep/proc/1"] {
            try folder.root.makeDirectory(FilePath(verbatim: path), permissions: 0o755)
        }
        let access = try FileAccess(root: folder.root.open(".", [.pathOnly, .directory]))
        let names = try access.list("/", recursive: true).map(\.name)
        #expect(names == ["deep", "deep/proc", "deep/proc/1", "dev", "proc", "sys"])
        #expect(try access.list("/proc", recursive: true).map(\.name) == ["1"])
    }

    @Test func makesFolders() throws {
        try folder.access.makeDirectory("/a")
        #expect(try folder.root.status(of: "a").permissions & 0o777 == 0o755)
        try folder.access.makeDirectory("/a/b/c", parents: true)
        try folder.access.makeDirectory("/a/b/c", parents: true)
        try folder.put("file", "")
        for path in ["/a", "/file", "/", "/a/.."] {
            #expect(try pathError { () throws(SandboxError) in try folder.access.makeDirectory(path) } == .exists)
        }
        #expect(try pathError { () throws(SandboxError) in try folder.access.makeDirectory("/x/y") } == .notFound)
        #expect(
            try pathError { () throws(SandboxError) in
                try folder.access.makeDirectory("/file/y", parents: true)
            } == .notDirectory)
        #expect(
            try pathError { () throws(SandboxError) in
                try folder.access.makeDirectory("/file", parents: true)
            } == .notDirectory)
    }

    @Test func removes() throws {
        try folder.access.makeDirectory("/a/b/c", parents: true)
        try folder.put("a/file", "x")
        #expect(try pathError { () throws(SandboxError) in try folder.access.remove("/a") } == .isDirectory)
        #expect(try pathError { () throws(SandboxError) in try folder.access.remove("/none") } == .notFound)
        #expect(
            try pathError { () throws(SandboxError) in try folder.access.remove("/none", recursive: true) } == .notFound
        )
        try folder.access.remove("/a/b/c")
        try folder.access.remove("/a/file")
        #expect(try folder.names("a") == ["b"])
        try folder.access.remove("/a", recursive: true)
        #expect(try folder.names() == [])
    }

    @Test func movesAsRenameDoes() throws {
        try folder.access.makeDirectory("/folder/inner", parents: true)
        try folder.access.makeDirectory("/empty")
        try folder.put("one", "1")
        try folder.put("two", "2")
        try folder.access.move("/one", to: "/two")
        #expect(try folder.text("two") == "1")
        func kind(_ from: String, _ to: String) throws -> PathError.Kind? {
            try pathError { () throws(SandboxError) in try folder.access.move(from, to: to) }
        }
        #expect(try kind("/two", "/folder") == .isDirectory)
        #expect(try kind("/folder", "/two") == .notDirectory)
        #expect(try kind("/empty", "/folder") == .exists)
        #expect(try kind("/none", "/x") == .notFound)
        #expect(try kind("/two", "/none/x") == .notFound)
        #expect(try isDenied { () throws(SandboxError) in try folder.access.move("/folder", to: "/folder/inner/x") })
        try folder.access.move("/folder", to: "/empty")
        #expect(try folder.names("empty") == ["inner"])
    }

    @Test(.enabled(if: FileTreeTests.hasTwoFilesystems, "/tmp and /dev/shm lie on one filesystem"))
    func movesBetweenFilesystems() throws {
        let name = "isorun-files-test-" + RandomName.hex(bytes: 8)
        let host = try FileAccess(root: OwnedFD.open("/", [.pathOnly, .directory]))
        let other = "/dev/shm/" + name
        try folder.access.makeDirectory("/folder/inner", parents: true)
        try folder.put("folder/inner/file", "content", permissions: 0o640)
        let here = folder.path + "/root"
        try host.move(here + "/folder", to: other)
        #expect(try folder.names() == [])
        #expect(try host.entry(at: other + "/inner/file").permissions == 0o640)
        #expect(try isDenied { () throws(SandboxError) in try host.move(other, to: other + "/inner/x") })
        try folder.access.makeDirectory("/taken/x", parents: true)
        #expect(try pathError { () throws(SandboxError) in try host.move(other, to: here + "/taken") } == .exists)
        #expect(try folder.names() == ["taken"])
        try host.move(other, to: here + "/back")
        #expect(try folder.text("back/inner/file") == "content")
        #expect(try pathError { () throws(SandboxError) in try host.entry(at: other) } == .notFound)
    }

    static var hasTwoFilesystems: Bool {
        guard let one = try? OwnedFD.open("/tmp", .pathOnly).status(),
            let other = try? OwnedFD.open("/dev/shm", .pathOnly).status()
        else { return false }
        return one.device != other.device
    }
}
