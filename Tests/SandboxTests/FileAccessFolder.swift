import Glibc
import Kernel
import Store
import Testing

@testable import Sandbox

/// A folder that stands for a sandbox's root, with a folder next to it that nothing in the first may reach.
final class FileAccessFolder: Sendable {
    let path: String
    /// The sandbox's root as the host sees it.
    let root: OwnedFD
    /// Holds `secret` with the text "outside", and `kept/file`.
    let outside: OwnedFD
    let access: FileAccess

    init() throws {
        let name = FilePath(verbatim: "isorun-files-test-" + RandomName.hex(bytes: 8))
        path = "/tmp/\(name)"
        let temporary = try OwnedFD.open("/tmp", [.read, .directory])
        try temporary.makeDirectory(name, permissions: 0o700)
        let folder = try temporary.openDirectory(name)
        try folder.makeDirectory("root", permissions: 0o755)
        try folder.makeDirectory("outside", permissions: 0o755)
        root = try folder.openDirectory("root")
        outside = try folder.openDirectory("outside")
        access = try FileAccess(root: folder.open("root", [.pathOnly, .directory]))
        try proveContainment()
        try put("secret", "outside", in: outside)
        try outside.makeDirectory("kept", permissions: 0o700)
        try put("kept/file", "kept", in: outside)
    }

    /// Throws unless paths start at the root and stay in it, which it finds out by looking only.
    ///
    /// Tests write to paths such as `/file`, some of them as the machine's root: access that is broken must not get there.
    private func proveContainment() throws {
        let marker = "marker-" + RandomName.hex(bytes: 8)
        try put(marker, "", in: root)
        try root.makeSymlink("marker-link", to: FilePath(verbatim: "/../" + marker))
        for path in ["/" + marker, "/../../" + marker] { _ = try access.entry(at: path) }
        _ = try access.read("/marker-link", offset: 0, length: 0)
        try root.removeFile("marker-link")
        try root.removeFile(FilePath(verbatim: marker))
    }

    deinit {
        do {
            let temporary = try OwnedFD.open("/tmp", [.read, .directory])
            try TreeRemover.remove(FilePath(verbatim: String(path.dropFirst("/tmp/".count))), in: temporary)
        } catch {
            fatalError("the test's folder cannot be removed: \(error)")
        }
    }

    /// Makes a file in the sandbox's root.
    func put(_ path: String, _ text: String, permissions: UInt32 = 0o644) throws {
        try put(path, text, permissions: permissions, in: root)
    }

    private func put(
        _ path: String, _ text: String, permissions: UInt32 = 0o644, in folder: borrowing OwnedFD
    ) throws {
        let file = try folder.open(FilePath(verbatim: path), [.write, .create, .truncate], permissions: permissions)
        try file.writeAll(Array(text.utf8))
        try file.setPermissions(permissions)
    }

    /// The text of a file in the sandbox's root.
    func text(_ path: String) throws -> String {
        String(decoding: try root.open(FilePath(verbatim: path), [.read, .noFollow]).readToEnd(), as: UTF8.self)
    }

    func names(_ path: FilePath = ".") throws -> [String] {
        try root.openDirectory(path).entries().map(\.name.description).sorted()
    }

    /// Fails the test when something in the folder next to the root is not as it was made.
    func expectOutsideUntouched() throws {
        #expect(try outside.entries().map(\.name.description).sorted() == ["kept", "secret"])
        #expect(try outside.status().permissions == 0o755)
        #expect(try outside.status(of: "kept").permissions == 0o700)
        #expect(try outside.openDirectory("kept").entries().map(\.name) == ["file"])
        #expect(String(decoding: try outside.open("secret", [.read]).readToEnd(), as: UTF8.self) == "outside")
    }
}

/// Runs `body` and tells which kind of path error it ends with; nil when it succeeds.
func pathError<Value>(_ body: () throws(SandboxError) -> Value) throws -> PathError.Kind? {
    do throws(SandboxError) {
        _ = try body()
        return nil
    } catch {
        guard case .path(let path) = error else { throw error }
        return path.kind
    }
}

/// Whether `body` ends with `permissionDenied`, for whatever reason.
func isDenied<Value>(_ body: () throws(SandboxError) -> Value) throws -> Bool {
    if case .permissionDenied? = try pathError(body) { return true }
    return false
}

let isRoot = geteuid() == 0
