import Glibc
import Kernel
import Synchronization
import Testing

@testable import Store

/// Copies of an upper that are made in steps are what a copy at the last moment would be.
@Suite final class UpperCopyTests {
    let folder: TemporaryFolder
    let store: Store
    let sandbox: SandboxRecord
    let upper: OwnedFD

    init() throws {
        folder = try TemporaryFolder()
        store = try folder.openStore()
        sandbox = try store.createSandbox(NewSandbox(image: .host))
        upper = try openFolder(store.overlays(of: sandbox)[0].upper)
    }

    /// A moment that is later than all that was done before, by the kernel's coarse clock.
    private func moment(mapped: Set<String> = []) throws -> QuietMoment {
        usleep(50_000)
        return try store.quietMoment(of: sandbox, mapped: mapped)
    }

    private func content(of copy: UpperCopy) throws -> OwnedFD {
        try store.staging.openFolder(copy.layer.path).openFolder(StoreLayout.content)
    }

    /// A copy whose first part has been made.
    private func copyAhead(after former: FormerUpper? = nil, mapped: Set<String> = []) throws -> UpperCopy {
        let copy = try store.beginCopy(ofUpperOf: sandbox, after: former)
        try copy.advance()
        try copy.advance(since: moment(mapped: mapped))
        return copy
    }

    @discardableResult
    private func expectExact(
        _ copy: UpperCopy, isAlone: Bool = true, sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> FormerUpper? {
        let (layer, next) = try copy.complete()
        let expected = try TreeListing.read(upper, isAlone: isAlone)
        #expect(try TreeListing.read(content(of: copy), isAlone: isAlone) == expected, sourceLocation: sourceLocation)
        let whole = try store.copyUpper(of: sandbox)
        #expect(layer.copied == whole.copied, sourceLocation: sourceLocation)
        try store.discard(whole)
        return next
    }

    private func publish(_ copy: UpperCopy) throws {
        let staged = StagedLayer(id: copy.layer, copied: TreeCopySummary())
        try store.createSnapshot(
            SnapshotRecord(sandbox: sandbox.id, image: .host, layers: [staged.id], sizeBytes: 0), adding: staged)
    }

    private func fill() throws {
        for name in ["a", "b", "c"] {
            try upper.makeDirectory(FilePath(verbatim: name), permissions: 0o755)
            for number in 0..<5 { try writeFile("\(name)/\(number)", "text \(number)", in: upper) }
        }
        try writeFile("first", "one", in: upper)
        try upper.link("first", to: "second", in: upper)
        try upper.link("first", to: "b/third", in: upper)
        try upper.makeSymlink("symlink", to: "first")
        try upper.openDirectory("b").setExtendedAttribute("user.mark", [1])
    }

    @Test(.enabled(if: isRoot, "only root reads files that forbid it"))
    func whatDoesNotChangeIsCopiedOnce() throws {
        try SampleTree.make(in: upper)
        let copy = try copyAhead()
        #expect(!copy.hasMuchLeft)
        let inode = try content(of: copy).status(of: "folder/inner/deep").inode
        try expectExact(copy)
        #expect(try content(of: copy).status(of: "folder/inner/deep").inode == inode)
        #expect(
            try content(of: copy).status(of: "plain").identity
                == content(of: copy).status(of: "folder/inner/plain-too").identity)
    }

    @Test func withoutAMomentEverythingIsCopiedInTheEnd() throws {
        try fill()
        let copy = try store.beginCopy(ofUpperOf: sandbox)
        try copy.advance()
        #expect(try content(of: copy).statusIfPresent(of: "a/1") == nil)
        #expect(try expectExact(copy) == nil)
    }

    /// What happens between the two parts of a copy.
    enum Change: CaseIterable {
        case write, truncate, hole, permissions, attribute, times, access, unlink, replace, renameFile, renameFolder
        case removeAttribute, replaceFolder, swapFolders, removeFolder, fileToFolder, folderToFile, link, unlinkOne,
            symlink, opaque, rootAttribute, many

        func apply(to upper: borrowing OwnedFD) throws {
            switch self {
            case .write: try upper.open("a/1", [.readWrite]).writeAll(Array("TEXT 1".utf8))
            case .truncate: try upper.open("a/1", [.readWrite]).setSize(2)
            case .hole: try upper.open("a/1", [.readWrite]).setSize(1 << 20)
            case .permissions: try upper.setPermissions(of: "a/1", 0o4711)
            case .attribute: try upper.open("a/1", [.readWrite]).setExtendedAttribute("user.new", [1, 2])
            case .times: try upper.setTimes(of: "a/1", accessed: .now, modified: FileTime(nanoseconds: 1_000_000_007))
            case .access: _ = try upper.open("a/1", [.read]).readToEnd()
            case .unlink: try upper.removeFile("a/1")
            case .replace:
                try writeFile("new", "text 1", in: upper)
                try upper.rename("new", to: "a/1")
            case .renameFile: try upper.rename("a/1", to: "c/moved")
            case .renameFolder: try upper.rename("b", to: "c/inner")
            case .removeAttribute: try upper.openDirectory("b").removeExtendedAttribute("user.mark")
            case .replaceFolder:
                try TreeRemover.remove("b", in: upper)
                try upper.makeDirectory("b", permissions: 0o755)
            case .swapFolders: try upper.rename("a", to: "b", in: upper, ifTaken: .exchange)
            case .removeFolder: try TreeRemover.remove("b", in: upper)
            case .fileToFolder:
                try upper.removeFile("a/1")
                try upper.makeDirectory("a/1", permissions: 0o700)
                try writeFile("a/1/below", "text", in: upper)
            case .folderToFile:
                try TreeRemover.remove("a", in: upper)
                try writeFile("a", "text", in: upper)
            case .link: try upper.link("first", to: "c/fourth", in: upper)
            case .unlinkOne: try upper.removeFile("first")
            case .symlink:
                try upper.removeFile("symlink")
                try upper.makeSymlink("symlink", to: "other")
            case .opaque:
                try upper.openDirectory("a").setExtendedAttribute(OverlayAttribute.opaque, [UInt8(ascii: "y")])
            case .rootAttribute: try upper.setPermissions(0o711)
            case .many: for number in 0..<200 { try writeFile("c/more \(number)", "\(number)", in: upper) }
            }
        }
    }

    @Test(arguments: Change.allCases)
    func whatChangesMeanwhileIsCopiedAnew(_ change: Change) throws {
        try fill()
        let copy = try copyAhead()
        try change.apply(to: upper)
        let former = try expectExact(copy)
        // And the next copy builds upon that one, whether its layer is there or not.
        try publish(copy)
        try writeFile("c/2", "changed again", in: upper)
        try expectExact(copyAhead(after: former), isAlone: false)
        try store.deleteSnapshot(#require(try store.listSnapshots().records.first).id)
        _ = try store.collectGarbage()
        try expectExact(copyAhead(after: former))
    }

    @Test func whatIsUnchangedIsSharedWithTheFormerLayer() throws {
        try fill()
        let first = try copyAhead()
        let former = try expectExact(first)
        try publish(first)
        try writeFile("a/1", "changed", in: upper)
        let second = try store.beginCopy(ofUpperOf: sandbox, after: former)
        try second.advance()
        #expect(!second.hasMuchLeft)
        _ = try second.complete()
        let old = try store.openContent(first.layer)
        let new = try content(of: second)
        for name in ["a/2", "b/third", "first"].map(FilePath.init(verbatim:)) {
            #expect(try new.status(of: name).identity == old.status(of: name).identity)
        }
        #expect(try readFile("a/1", in: new) == "changed")
        #expect(try readFile("a/1", in: old) == "text 1")
    }

    /// Otherwise nothing tells that such a file has been written.
    @Test func mappedFilesAreCopiedInTheEnd() throws {
        try fill()
        let file = try upper.open("a/1", [.readWrite])
        // unsafe: a mapping of a page of a file that is open, for as long as the test.
        let memory = unsafe mmap(nil, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file.rawValue, 0)!
        defer { unsafe _ = munmap(memory, 4096) }
        unsafe memory.storeBytes(of: UInt8(ascii: "1"), as: UInt8.self)
        let copy = try copyAhead(mapped: ["/a/1", "/usr/lib/not-here", "/first/x"])
        unsafe memory.storeBytes(of: UInt8(ascii: "2"), as: UInt8.self)
        let former = try expectExact(copy)
        #expect(try readFile("a/1", in: content(of: copy)) == "2ext 1")
        try publish(copy)
        unsafe memory.storeBytes(of: UInt8(ascii: "3"), as: UInt8.self)
        try expectExact(copyAhead(after: former, mapped: ["/a/1"]), isAlone: false)
    }

    @Test func anotherFolderOfFilesHasNoFormerCopy() throws {
        try fill()
        let first = try copyAhead()
        let former = try #require(try expectExact(first))
        try publish(first)
        let other = try store.createSandbox(NewSandbox(image: .host))
        #expect(former.isOf(sandbox))
        #expect(!former.isOf(other))
    }

    @Test func treesInWhichOthersAreAtWorkAreCopied() throws {
        for _ in 0..<5 {
            let copy = try store.beginCopy(ofUpperOf: sandbox)
            let path = store.overlays(of: sandbox)[0].upper
            let worker = Worker { random in try disturb(path, &random) }
            defer { worker.end() }
            for _ in 0..<5 {
                usleep(30_000)
                let moment = try worker.paused { try store.quietMoment(of: sandbox, mapped: []) }
                try copy.advance(since: moment)
            }
            worker.end()
            try expectExact(copy)
            try store.discard(copy)
        }
    }
}

/// Works on a thread of its own until it is told to end.
private final class Worker: Sendable {
    private let turn: Mutex<Bool>
    private let ended = Promise<Void>()

    init(_ work: @escaping @Sendable (inout SeededGenerator) throws -> Void) {
        turn = Mutex(true)
        let thread = { @Sendable [self] in
            var random = SeededGenerator(state: 11)
            while turn.withLock({ goesOn in
                do { if goesOn { try work(&random) } } catch { Issue.record("\(error)") }
                return goesOn
            }) {}
            ended.fulfil(())
        }
        do throws(KernelError) { try Thread.start(name: "worker", thread) } catch { Issue.record("\(error)") }
    }

    /// Runs the body between two pieces of work.
    func paused<Value>(_ body: () throws -> Value) throws -> Value { try turn.withLock { _ in try body() } }

    func end() {
        turn.withLock { $0 = false }
        ended.wait()
    }
}

/// One random change of a tree of few names.
private func disturb(_ path: String, _ random: inout SeededGenerator) throws {
    let root = try openFolder(path)
    func name() -> FilePath { FilePath(verbatim: ["x", "y", "z"].randomElement(using: &random)!) }
    let (folder, other) = (name(), name())
    try root.makeDirectoryIfAbsent(folder, permissions: 0o755)
    let place = try root.openDirectory(folder)
    switch UInt8.random(in: 0..<8, using: &random) {
    case 0: try TreeRemover.remove(folder, in: root)
    case 1 where folder != other:
        try TreeRemover.remove(other, in: root)
        try root.rename(folder, to: other)
    case 2:
        try place.makeDirectoryIfAbsent("inner", permissions: 0o755)
        try TreeRemover.remove("moved", in: root)
        try place.rename("inner", to: "moved", in: root)
    case 3:
        try place.makeDirectoryIfAbsent("inner", permissions: 0o755)
        for number in 0..<20 { try writeFile("inner/\(number)", "\(random.next())", in: place) }
    case 4:
        try TreeRemover.remove("linked", in: root)
        try writeFile("file", "\(random.next())", in: place)
        try place.link("file", to: "linked", in: root)
    default: try writeFile("\(random.next() % 10)", "\(random.next())", in: place)
    }
}
