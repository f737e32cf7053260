import Glibc
import Kernel

@testable import Store

/// A folder of a test's own, removed with everything in it when the test is over.
final class TemporaryFolder: Sendable {
    let path: String
    let directory: OwnedFD

    init() throws {
        path = "/tmp/isorun-store-test-\(randomHex16())"
        let parent = try OwnedFD.open("/tmp", [.read, .directory])
        let name = FilePath(verbatim: String(path.dropFirst("/tmp/".count)))
        try parent.makeDirectory(name, permissions: 0o700)
        directory = try parent.openDirectory(name)
    }

    deinit {
        do {
            let parent = try OwnedFD.open("/tmp", [.read, .directory])
            try TreeRemover.remove(FilePath(verbatim: String(path.dropFirst("/tmp/".count))), in: parent)
        } catch {
            fatalError("the test's folder cannot be removed: \(error)")
        }
    }

    func openStore() throws -> Store { try Store.open(path + "/store") }
}

/// Makes a regular file with `text` in it, below `folder`.
func writeFile(_ path: String, _ text: String, in folder: borrowing OwnedFD, permissions: UInt32 = 0o644) throws {
    let file = try folder.open(FilePath(verbatim: path), [.write, .create, .truncate], permissions: permissions)
    try file.writeAll(Array(text.utf8))
}

func readFile(_ path: String, in folder: borrowing OwnedFD) throws -> String {
    String(decoding: try folder.open(FilePath(verbatim: path), [.read]).readToEnd(), as: UTF8.self)
}

/// Opens a folder by its absolute path.
func openFolder(_ path: String) throws -> OwnedFD { try OwnedFD.open(FilePath(verbatim: path), [.read, .directory]) }

/// Whether the tests run as root, of the machine or of a user namespace: who may make overlays, whiteouts and mounts.
let isRoot = geteuid() == 0

/// Whether files may be given to other users: as an ordinary user without subordinate ids only one id is mapped.
let hasOtherUsers: Bool = {
    do {
        let map = try OwnedFD.open("/proc/self/uid_map", [.read]).readToEnd()
        let counts = String(decoding: map, as: UTF8.self).split(separator: "\n").compactMap {
            $0.split(separator: " ").last.flatMap { Int($0) }
        }
        return isRoot && counts.reduce(0, +) > 1
    } catch {
        fatalError("/proc is not mounted: \(error)")
    }
}()
