import Glibc
import Kernel
import Testing

@testable import Store

/// A small filesystem in memory, mounted for one test; root only.
private final class MemoryFilesystem {
    let path: String

    init(at path: String, bytes: Int) throws {
        self.path = path
        try check("mount", path) { mount("tmpfs", path, "tmpfs", 0, "size=\(bytes)") }
    }

    func makeReadOnly() throws {
        try check("mount", path) { mount(nil, path, nil, UInt(MS_REMOUNT) | UInt(MS_RDONLY), nil) }
    }

    deinit { umount2(path, Int32(MNT_DETACH)) }
}

@Suite(.enabled(if: isRoot, "only root mounts filesystems outside of a user namespace"))
struct BadDiskTests {
    // Before the folder, so that it is unmounted before that is removed.
    private let disk: MemoryFilesystem
    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        try folder.directory.makeDirectory("disk", permissions: 0o700)
        disk = try MemoryFilesystem(at: folder.path + "/disk", bytes: 1 << 20)
    }

    private func openStore() throws -> Store { try Store.open(folder.path + "/disk/store") }

    private func fill() throws {
        let file = try OwnedFD.open(
            FilePath(verbatim: folder.path + "/disk/filler"), [.write, .create], permissions: 0o600)
        #expect(throws: KernelError.self) {
            while true { try file.writeAll([UInt8](repeating: 1, count: 4096)) }
        }
    }

    private func expectNoSpace(
        sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
    ) {
        let error = #expect(throws: StoreError.self, sourceLocation: sourceLocation) { try body() }
        guard case .noSpace? = error else {
            Issue.record("\(String(describing: error))", sourceLocation: sourceLocation)
            return
        }
    }

    @Test func fullDiskFailsClearlyAndLeavesNothing() throws {
        let store = try openStore()
        var sandbox = try store.createSandbox(NewSandbox(image: .host))
        let upper = try openFolder(store.overlays(of: sandbox)[0].upper)
        try writeFile("file", String(repeating: "x", count: 50_000), in: upper)
        try fill()
        expectNoSpace { _ = try store.createSandbox(NewSandbox(image: .host)) }
        expectNoSpace { _ = try store.copyUpper(of: sandbox) }
        expectNoSpace {
            let copy = try store.beginCopy(ofUpperOf: sandbox)
            defer { #expect(throws: Never.self) { try store.discard(copy) } }
            usleep(50_000)
            try copy.advance(since: store.quietMoment(of: sandbox, mapped: []))
        }
        let before = sandbox.files
        expectNoSpace { _ = try store.seal(&sandbox) }
        #expect(sandbox.files == before)
        #expect(sandbox.layers.isEmpty)
        #expect(try store.staging.entries().isEmpty)
        #expect(try readFile("file", in: upper).count == 50_000)
        try OwnedFD.open(FilePath(verbatim: folder.path + "/disk"), [.read]).removeFile("filler")
        _ = try store.seal(&sandbox)
        #expect(try store.listSandboxes().records.count == 1)
    }

    @Test func readOnlyDiskIsNamedAsSuch() throws {
        _ = try openStore()
        try disk.makeReadOnly()
        let error = #expect(throws: StoreError.self) { try openStore() }
        guard case .readOnly? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(error?.description.contains("read-only") == true)
    }
}
