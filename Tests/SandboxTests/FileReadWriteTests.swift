import Kernel
import Testing

@testable import Sandbox

@Suite struct FileReadWriteTests {
    let folder: FileAccessFolder

    init() throws { folder = try FileAccessFolder() }

    private func read(_ path: String, offset: Int64 = 0, length: Int = 1 << 20) throws(SandboxError) -> String {
        String(decoding: try folder.access.read(path, offset: offset, length: length).bytes, as: UTF8.self)
    }

    @discardableResult
    private func write(
        _ text: String, _ path: String, permissions: UInt32? = nil, append: Bool = false, createParents: Bool = false
    ) throws(SandboxError) -> Int64 {
        try folder.access.write(
            Array(text.utf8), to: path, permissions: permissions, append: append, createParents: createParents)
    }

    // MARK: Reading

    @Test(arguments: [
        (0, 3, "abc", false), (3, 3, "def", true), (3, 100, "def", true), (6, 5, "", true), (99, 5, "", true),
    ])
    func readsPieces(offset: Int64, length: Int, text: String, isEnd: Bool) throws {
        try folder.put("file", "abcdef")
        let piece = try folder.access.read("/file", offset: offset, length: length)
        #expect(String(decoding: piece.bytes, as: UTF8.self) == text)
        #expect(piece.isEnd == isEnd)
        #expect(piece.size == 6)
    }

    @Test func readsNothingOfAnEmptyFile() throws {
        try folder.put("file", "")
        let piece = try folder.access.read("/file", offset: 0, length: 0)
        #expect(piece.bytes.isEmpty && piece.isEnd && piece.size == 0)
    }

    @Test func readsFilesThatStateNoSize() throws {
        let proc = try FileAccess(root: OwnedFD.open("/proc", [.pathOnly, .directory]))
        let whole = try proc.read("/cpuinfo", offset: 0, length: 1 << 20)
        #expect(whole.isEnd && whole.bytes.count > 10 && whole.size == Int64(whole.bytes.count))
        let first = try proc.read("/cpuinfo", offset: 0, length: 4)
        #expect(!first.isEnd && first.bytes == Array(whole.bytes[..<4]))
    }

    @Test func readsALargeFileWhole() throws {
        let bytes = (0..<3_000_001).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        #expect(try folder.access.write(bytes, to: "/large") == 3_000_001)
        #expect(try folder.access.read("/large", offset: 0, length: 1 << 25).bytes == bytes)
    }

    @Test func whatHasNoContentIsNeverOpened() throws {
        // Nobody writes into the fifo: opening it for reading would wait for ever.
        try folder.root.makeNode("fifo", kind: .fifo, permissions: 0o666)
        try folder.root.makeNode("socket", kind: .socket, permissions: 0o666)
        for path in ["/fifo", "/socket"] {
            #expect(try isDenied { () throws(SandboxError) in try read(path) })
            #expect(try isDenied { () throws(SandboxError) in try write("x", path) })
            #expect(try isDenied { () throws(SandboxError) in try write("x", path, append: true) })
        }
    }

    @Test func errorsTellWhatIsInTheWay() throws {
        try folder.put("file", "x")
        try folder.root.makeDirectory("folder", permissions: 0o755)
        let long = "/" + String(repeating: "n", count: 256)
        #expect(try pathError { () throws(SandboxError) in try read("/none") } == .notFound)
        #expect(try pathError { () throws(SandboxError) in try read("/none/none") } == .notFound)
        #expect(try pathError { () throws(SandboxError) in try read("/file/none") } == .notDirectory)
        #expect(try pathError { () throws(SandboxError) in try read("/folder") } == .isDirectory)
        #expect(try pathError { () throws(SandboxError) in try write("x", "/folder") } == .isDirectory)
        #expect(try pathError { () throws(SandboxError) in try write("x", "/") } == .isDirectory)
        #expect(try pathError { () throws(SandboxError) in try write("x", "/folder/..") } == .isDirectory)
        #expect(try pathError { () throws(SandboxError) in try write("x", "/none/file") } == .notFound)
        #expect(
            try pathError { () throws(SandboxError) in try write("x", "/file/under", createParents: true) }
                == .notDirectory)
        #expect(try pathError { () throws(SandboxError) in try read(long) } == .tooLong)
        #expect(try pathError { () throws(SandboxError) in try write("x", long) } == .tooLong)
        #expect(try folder.names() == ["file", "folder"])
    }

    // MARK: Writing

    @Test func newFilesAreReadableByAll() throws {
        #expect(try write("hello", "/file") == 5)
        #expect(try folder.text("file") == "hello")
        #expect(try folder.root.status(of: "file").permissions == 0o644)
        try write("x", "/secret", permissions: 0o4600)
        #expect(try folder.root.status(of: "secret").permissions == 0o4600)
    }

    @Test func replacingIsAtomicAndKeepsThePermissions() throws {
        try folder.put("file", "old", permissions: 0o751)
        let reader = try folder.root.open("file", [.read])
        try write("new!", "/file")
        #expect(try reader.readToEnd() == Array("old".utf8))
        #expect(try folder.text("file") == "new!")
        #expect(try folder.root.status(of: "file").permissions == 0o751)
        try write("newer", "/file", permissions: 0o600)
        #expect(try folder.root.status(of: "file").permissions == 0o600)
        #expect(try folder.names() == ["file"])
    }

    @Test(.enabled(if: isRoot, "only root may give files away"))
    func replacingKeepsTheOwner() throws {
        try folder.put("file", "old")
        try folder.root.setOwner(of: "file", owner: 1234, group: 4321)
        try folder.root.setPermissions(of: "file", 0o4755)
        try write("new", "/file")
        let status = try folder.root.status(of: "file")
        #expect((status.owner, status.group, status.permissions) == (1234, 4321, 0o4755))
    }

    @Test func appendsInPlace() throws {
        #expect(try write("one", "/file", append: true) == 3)
        let inode = try folder.root.status(of: "file").inode
        #expect(try write("two", "/file", append: true) == 6)
        #expect(try folder.text("file") == "onetwo")
        #expect(try folder.root.status(of: "file").inode == inode)
    }

    @Test func concurrentAppendsToANewFileAllArrive() async throws {
        let folder = folder
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<50 { _ = try folder.access.write([65], to: "/log", append: true) }
                }
            }
            try await group.waitForAll()
        }
        #expect(try folder.root.status(of: "log").size == 400)
        #expect(try folder.names() == ["log"])
    }

    @Test func makesParentsThatAllMayEnter() throws {
        try write("x", "/a/b/../c/file", createParents: true)
        #expect(try folder.text("a/c/file") == "x")
        #expect(try folder.names("a") == ["b", "c"])
        #expect(try folder.root.status(of: "a/c").permissions & 0o777 == 0o755)
    }

    @Test func writesThroughSymlinksAndKeepsThem() throws {
        try folder.root.makeDirectory("folder", permissions: 0o755)
        try folder.root.makeSymlink("folder/link", to: "../chain")
        try folder.root.makeSymlink("chain", to: "/folder/../target")
        try write("first", "/folder/link")
        try write("+", "/folder/link", append: true)
        #expect(try folder.text("target") == "first+")
        #expect(try folder.root.readSymlink("folder/link") == "../chain")
        #expect(try folder.root.readSymlink("chain") == "/folder/../target")
    }
}
