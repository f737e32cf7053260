import CArchive
import Kernel
import Testing

@testable import Store

@Suite(.enabled(if: isRoot, "an import gives files to root, as the engine may in its user namespace"))
struct ImportTests {
    let folder: TemporaryFolder
    let store: Store

    init() throws {
        folder = try TemporaryFolder()
        store = try folder.openStore()
    }

    private func importBytes(
        _ bytes: [UInt8], as reference: String = "test:1", limits: ImageLimits = ImageLimits(),
        idsPerSandbox: UInt32 = 65_536
    ) throws -> ImportedImage {
        try folder.directory.open("archive", [.write, .create, .truncate], permissions: 0o600).writeAll(bytes)
        var options = ImportOptions()
        options.limits = limits
        options.idsPerSandbox = idsPerSandbox
        return try store.importImage(from: folder.path + "/archive", as: reference, options: options)
    }

    private func content(of image: ImportedImage) throws -> OwnedFD { try store.openContent(image.image.layers[0]) }

    /// Expects a refusal that contains `text`, and that it left nothing.
    private func expectRefusal(
        _ bytes: [UInt8], _ text: String, limits: ImageLimits = ImageLimits(),
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let error = #expect(throws: StoreError.self, sourceLocation: sourceLocation) {
            try importBytes(bytes, limits: limits)
        }
        guard case .imageInvalid(let reason)? = error, reason.contains(text) else {
            Issue.record("\(String(describing: error))", sourceLocation: sourceLocation)
            return
        }
        #expect(try store.listReferences().records.isEmpty, sourceLocation: sourceLocation)
        #expect(try store.layers.entries().isEmpty, sourceLocation: sourceLocation)
        #expect(try store.staging.entries().isEmpty, sourceLocation: sourceLocation)
    }

    private func smallArchive() -> TarBuilder {
        var tar = TarBuilder()
        tar.add("./", .directory, mode: 0o755)
        tar.add("./etc/", .directory, mode: 0o751, modified: 1_600_000_000)
        tar.add("./etc/motd", content: Array("hello\n".utf8), mode: 0o640)
        tar.add("bin/su", content: Array("#!".utf8), mode: 0o4755)
        tar.add("etc/again", .hardLink, target: "./etc/motd")
        tar.add("lib", .symlink, target: "/usr/lib")
        tar.add("pipe", .fifo, mode: 0o620)
        return tar
    }

    @Test func unpacksWhatTheArchiveHolds() throws {
        let imported = try importBytes(smallArchive().finished())
        let root = try content(of: imported)
        #expect(try readFile("etc/motd", in: root) == "hello\n")
        #expect(try root.status(of: "etc/motd").permissions == 0o640)
        #expect(try root.status(of: "etc/motd").modified == FileTime(nanoseconds: 1_700_000_000_000_000_000))
        #expect(try root.status(of: "etc/motd").identity == root.status(of: "etc/again").identity)
        #expect(try root.status(of: "etc").permissions == 0o751)
        #expect(try root.status(of: "etc").modified == FileTime(nanoseconds: 1_600_000_000_000_000_000))
        #expect(try root.status(of: "bin").permissions == 0o755)
        #expect(try root.status(of: "bin/su").permissions == 0o4755)
        #expect(try root.readSymlink("lib") == "/usr/lib")
        #expect(try root.status(of: "pipe").kind == .fifo)
        #expect(imported.losses == ImportLosses())
        #expect(try store.image(named: "test:1").digest == imported.image.digest)
        #expect(imported.image.sizeBytes > 0)
    }

    @Test(arguments: [ARCHIVE_FILTER_GZIP, ARCHIVE_FILTER_ZSTD, ARCHIVE_FILTER_XZ])
    func compressedArchiveIsTheSameImage(_ filter: Int32) throws {
        let plain = try importBytes(smallArchive().finished(), as: "plain")
        let packed = try importBytes(compress(smallArchive().finished(), filter), as: "packed")
        #expect(packed.image.digest == plain.image.digest)
        #expect(try store.layers.entries().count == 1)
        #expect(try store.listReferences().records.map(\.reference) == ["packed", "plain"])
    }

    /// The digest is the one that `sha256sum` gives for the plain archive.
    @Test func digestIsTheSHA256OfTheArchive() throws {
        var tar = TarBuilder()
        tar.add("a", content: [UInt8](repeating: 0x61, count: 100_000))
        let imported = try importBytes(tar.finished())
        var hash = SHA256()
        hash.update(tar.finished())
        #expect(imported.image.digest == hash.finish())
    }

    @Test func namesAreBytes() throws {
        var tar = TarBuilder()
        tar.add("short", content: [1], pax: ["path": "gr\u{fc}\u{df}e/o\u{308}"])
        tar.add("x", .symlink, target: "y", pax: ["linkpath": "gr\u{fc}\u{df}e/o\u{308}"])
        tar.add("z", .hardLink, target: "y", pax: ["linkpath": "gr\u{fc}\u{df}e/o\u{308}"])
        let root = try content(of: importBytes(tar.finished()))
        let name: FilePath = "gr\u{fc}\u{df}e/o\u{308}"
        #expect(try root.status(of: name).size == 1)
        #expect(try root.readSymlink("x") == name)
        #expect(try root.status(of: "z").identity == root.status(of: name).identity)
    }

    @Test func attributesAreKeptAndNeverBecomeMarkers() throws {
        var tar = TarBuilder()
        tar.add(
            "folder/", .directory, mode: 0o755,
            pax: ["SCHILY.xattr.user.overlay.opaque": "y", "SCHILY.xattr.security.selinux": "label"])
        tar.add("file", pax: ["SCHILY.xattr.user.colour": "blue"])
        let imported = try importBytes(tar.finished())
        let root = try content(of: imported)
        let names = try root.openDirectory("folder").extendedAttributeNames()
        #expect(names == ["user.overlay.overlay.opaque"])
        #expect(try root.open("file", [.read]).extendedAttribute("user.colour") == Array("blue".utf8))
        #expect(imported.losses.droppedAttributes == 1)
    }

    @Test(.enabled(if: hasOtherUsers, "there is only one user id here to give files to"))
    func ownersAndFractionsOfSecondsAreKept() throws {
        var tar = TarBuilder()
        tar.add("file", owner: 1000, group: 50, pax: ["mtime": "1700000000.123456789"])
        tar.add("large", pax: ["uid": "3000000"])
        let root = try content(of: importBytes(tar.finished()))
        let status = try root.status(of: "file")
        #expect(status.owner == 1000)
        #expect(status.group == 50)
        #expect(status.modified == FileTime(nanoseconds: 1_700_000_000_123_456_789))
        #expect(try root.status(of: "large").owner == 0)
    }

    /// Where there are no users but root, nobody gains anything by a set-id bit; else a program must not become root's.
    @Test(arguments: [(ids: UInt32(1), permissions: UInt32(0o4755)), (ids: 1000, permissions: 0o755)])
    func ownersThatSandboxesDoNotHaveAreFoldedAndCounted(_ ids: UInt32, _ permissions: UInt32) throws {
        var tar = TarBuilder()
        tar.add("mine", mode: 0o4755)
        tar.add("file", mode: 0o4755, owner: 1000, group: 50)
        tar.add("link", .symlink, target: "file", owner: 1000)
        let imported = try importBytes(tar.finished(), idsPerSandbox: ids)
        let root = try content(of: imported)
        #expect(imported.losses.foldedOwners == 2)
        #expect(try root.status(of: "file").owner == 0)
        #expect(try root.status(of: "file").permissions == permissions)
        #expect(try root.status(of: "mine").permissions == 0o4755)
    }

    @Test func commonDevicesAreLeftOut() throws {
        var tar = TarBuilder()
        tar.add("dev/", .directory, mode: 0o755)
        tar.add("dev/null", .character)
        tar.add("./dev/tty", .character)
        let imported = try importBytes(tar.finished())
        #expect(imported.losses.droppedDevices == 2)
        #expect(try content(of: imported).openDirectory("dev").entries().isEmpty)
    }

    @Test func lastEntryOfANameCounts() throws {
        var tar = TarBuilder()
        tar.add("a", content: [1])
        tar.add("a", content: [2, 2])
        tar.add("b/", .directory, mode: 0o700)
        tar.add("b/", .directory, mode: 0o755)
        tar.add("c", .symlink, target: "a")
        tar.add("c", content: [3, 3, 3])
        let root = try content(of: importBytes(tar.finished()))
        #expect(try root.status(of: "a").size == 2)
        #expect(try root.status(of: "b").permissions == 0o755)
        #expect(try root.status(of: "c").kind == .regular)
    }

    struct Hostile: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let refusal: String
        let build: @Sendable (inout TarBuilder) -> Void

        init(_ name: String, _ refusal: String, _ build: @escaping @Sendable (inout TarBuilder) -> Void) {
            testDescription = name
            self.refusal = refusal
            self.build = build
        }
    }

    static let hostile = [
        Hostile("parent", "'../evil' climbs") { $0.add("../evil") },
        Hostile("parent within", "'a/../../evil' climbs") { $0.add("a/../../evil") },
        Hostile("absolute symlink", "'out/evil' leads out") {
            $0.add("out", .symlink, target: "/tmp")
            $0.add("out/evil")
        },
        Hostile("climbing symlink", "'a/out/evil' leads out") {
            $0.add("a/out", .symlink, target: "../../..")
            $0.add("a/out/evil")
        },
        Hostile("chain of symlinks", "'two/evil' leads out") {
            $0.add("one", .symlink, target: "/")
            $0.add("two", .symlink, target: "one/tmp")
            $0.add("two/evil")
        },
        Hostile("folder through symlink", "'out/dir/' leads out") {
            $0.add("out", .symlink, target: "/tmp")
            $0.add("out/dir/", .directory)
        },
        Hostile("absolute hard link", "'passwd' is a hard link to the absolute path") {
            $0.add("passwd", .hardLink, target: "/etc/passwd")
        },
        Hostile("climbing hard link", "'passwd' climbs") { $0.add("passwd", .hardLink, target: "../../etc/passwd") },
        Hostile("hard link through symlink", "'passwd' leads out") {
            $0.add("out", .symlink, target: "/etc")
            $0.add("passwd", .hardLink, target: "out/passwd")
        },
        Hostile("hard link to nothing", "which the archive does not hold") { $0.add("a", .hardLink, target: "b") },
        Hostile("hard link to a folder", "which is a folder") {
            $0.add("b/", .directory, mode: 0o755)
            $0.add("a", .hardLink, target: "b")
        },
        Hostile("device", "'dev/sda' is a device node") { $0.add("dev/sda", .block) },
        Hostile("whiteout", "'gone' is a device node") { $0.add("gone", .character) },
        Hostile("below a file", "'a/b' lies below") {
            $0.add("a")
            $0.add("a/b")
        },
        Hostile("file over full folder", "not empty") {
            $0.add("a/b")
            $0.add("a")
        },
        Hostile("endless symlink", "'loop/x' leads out") {
            $0.add("loop", .symlink, target: "loop")
            $0.add("loop/x")
        },
        Hostile("long name", "too long") { $0.add("x", pax: ["path": String(repeating: "n", count: 300)]) },
        Hostile("OCI layout", "'oci-layout' is no JSON") { $0.add("oci-layout") },
        Hostile("docker save", "docker save") { $0.add("manifest.json") },
    ]

    @Test(arguments: hostile) func refusesByName(_ archive: Hostile) throws {
        var tar = TarBuilder()
        archive.build(&tar)
        try expectRefusal(tar.finished(), archive.refusal)
        #expect(try OwnedFD.open("/tmp", [.read]).statusIfPresent(of: "evil") == nil)
    }

    @Test func refusesBombs() throws {
        var tar = TarBuilder()
        tar.add("zeros", content: [UInt8](repeating: 0, count: 3_000_000))
        var limits = ImageLimits()
        limits.ratioGraceBytes = 1_000_000
        try expectRefusal(compress(tar.finished(), ARCHIVE_FILTER_GZIP), "decompression bomb", limits: limits)
        limits = ImageLimits()
        limits.maxUnpackedBytes = 1_000_000
        try expectRefusal(tar.finished(), "limit", limits: limits)
        tar = TarBuilder()
        for number in 0..<20 { tar.add("\(number)") }
        limits = ImageLimits()
        limits.maxEntries = 19
        try expectRefusal(tar.finished(), "19 entries", limits: limits)
    }

    /// Wherever an archive is cut, it is refused and leaves nothing.
    @Test func refusesTruncatedArchives() throws {
        let whole = smallArchive().finished()
        for length in stride(from: 0, to: whole.count - 1024, by: 256) {
            try expectRefusal(Array(whole.prefix(length)), "")
        }
        for filter in [ARCHIVE_FILTER_GZIP, ARCHIVE_FILTER_ZSTD, ARCHIVE_FILTER_XZ] {
            let packed = compress(whole, filter)
            for length in stride(from: 1, to: packed.count - 1, by: 37) {
                try expectRefusal(Array(packed.prefix(length)), "")
            }
        }
    }

    @Test(arguments: ["BZh91AY", "PK\u{3}\u{4}....", "hsqs....", "!<arch>\ndebian", "this is no archive at all"])
    func saysWhatSomethingElseIs(_ start: String) throws {
        try expectRefusal(Array(start.utf8) + [UInt8](repeating: 7, count: 2000), "")
    }

    @Test func refusesWhatIsNoFile() throws {
        for path in ["/nonexistent/archive.tar", "/tmp", "/dev/null"] {
            #expect(throws: StoreError.self) { try store.importImage(from: path, as: "x") }
        }
    }

    @Test func cancelledImportLeavesNothing() throws {
        try folder.directory.open("archive", [.write, .create], permissions: 0o600)
            .writeAll(smallArchive().finished())
        #expect(throws: StoreError.self) {
            try store.importImage(
                from: folder.path + "/archive", as: "x", monitor: ImageMonitor(isCancelled: { true }))
        }
        #expect(try store.staging.entries().isEmpty)
    }

    @Test func imageInUseStaysAndGoesAfterwards() throws {
        let imported = try importBytes(smallArchive().finished(), as: "local/app:v1.2@x")
        let use = ImageUse(
            reference: "local/app:v1.2@x", digest: imported.image.digest, layers: imported.image.layers)
        let sandbox = try store.createSandbox(NewSandbox(image: use))
        let error = #expect(throws: StoreError.self) { try store.removeImage(named: "local/app:v1.2@x") }
        guard case .imageInUse? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(try store.lowerPaths(of: sandbox) == [store.contentPath(imported.image.layers[0])])
        try store.deleteSandbox(sandbox.id)
        try store.removeImage(named: "local/app:v1.2@x")
        #expect(throws: StoreError.self) { try store.image(named: "local/app:v1.2@x") }
        let report = try store.collectGarbage()
        #expect(report.images == 1)
        #expect(report.layers == 1)
        #expect(try store.layers.entries().isEmpty)
    }

    @Test func upperTakesTheImageRootsOwnerAndMode() throws {
        var tar = TarBuilder()
        tar.add("./", .directory, mode: 0o711)
        let imported = try importBytes(tar.finished())
        let use = ImageUse(reference: "test:1", digest: imported.image.digest, layers: imported.image.layers)
        let sandbox = try store.createSandbox(NewSandbox(image: use))
        #expect(try openFolder(store.overlays(of: sandbox)[0].upper).status().permissions == 0o711)
    }

    /// The vectors of FIPS 180-4's examples, at block edges too.
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
    ])
    func sha256(_ text: String, _ digest: String) {
        for part in [1, 7, 64, 100] {
            var hash = SHA256()
            let bytes = Array(text.utf8)
            for start in stride(from: 0, to: bytes.count, by: part) {
                hash.update(Array(bytes[start..<min(start + part, bytes.count)]))
            }
            #expect(hash.finish().rawValue == "sha256:" + digest)
        }
    }
}
