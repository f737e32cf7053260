import Glibc
import Kernel
import Synchronization
import Testing

@testable import Sandbox

@Suite struct FileEscapeTests {
    let folder: FileAccessFolder

    init() throws { folder = try FileAccessFolder() }

    @Test(arguments: ["/../outside/secret", "/a/../../outside/secret", "/../../../../outside/secret"])
    func parentsOfTheRootAreTheRoot(_ path: String) throws {
        try folder.root.makeDirectory("a", permissions: 0o755)
        #expect(
            try pathError { () throws(SandboxError) in
                try folder.access.read(path, offset: 0, length: 10)
            } == .notFound)
        #expect(try pathError { () throws(SandboxError) in try folder.access.write([1], to: path) } == .notFound)
        #expect(try pathError { () throws(SandboxError) in try folder.access.entry(at: path) } == .notFound)
        _ = try folder.access.write([1], to: "/../../file")
        #expect(try folder.names() == ["a", "file"])
        try folder.expectOutsideUntouched()
    }

    @Test func symlinksStayInside() throws {
        try folder.root.makeSymlink("absolute", to: FilePath(verbatim: folder.path + "/outside"))
        try folder.root.makeSymlink("relative", to: "../outside")
        try folder.root.makeSymlink("file", to: "../outside/secret")
        for path in ["/absolute/secret", "/relative/secret", "/file", "/absolute/kept/file"] {
            #expect(
                try pathError { () throws(SandboxError) in
                    try folder.access.read(path, offset: 0, length: 10)
                } == .notFound)
            #expect(try pathError { () throws(SandboxError) in try folder.access.write([1], to: path) } == .notFound)
            #expect(
                try pathError { () throws(SandboxError) in try folder.access.remove("/absolute/kept", recursive: true) }
                    == .notFound)
        }
        #expect(try pathError { () throws(SandboxError) in try folder.access.list("/absolute") } == .notFound)
        // Links to folders are removed and moved themselves.
        try folder.access.remove("/absolute", recursive: true)
        try folder.access.move("/relative", to: "/moved")
        #expect(try folder.names() == ["file", "moved"])
        try folder.expectOutsideUntouched()
    }

    @Test func loopsEnd() throws {
        try folder.root.makeSymlink("a", to: "b")
        try folder.root.makeSymlink("b", to: "/a")
        try folder.root.makeSymlink("self", to: "self/self")
        for path in ["/a", "/self", "/a/x"] {
            #expect(try isDenied { () throws(SandboxError) in try folder.access.read(path, offset: 0, length: 1) })
            #expect(try isDenied { () throws(SandboxError) in try folder.access.write([1], to: path) })
        }
        #expect(try folder.access.entry(at: "/a").target == "b")
    }

    @Test func linksOfProcAreNotFollowed() throws {
        let host = try FileAccess(root: OwnedFD.open("/", [.pathOnly, .directory]))
        #expect(
            try isDenied { () throws(SandboxError) in
                try host.read("/proc/self/root/etc/passwd", offset: 0, length: 1)
            })
        #expect(
            try isDenied { () throws(SandboxError) in
                try host.read("/proc/self/cwd/Package.swift", offset: 0, length: 1)
            })
    }

    /// Only what the kernel itself refuses, or what does no harm, is tried on real ones: a test that fails must not cost
    /// the machine anything.
    @Test func kernelFilesystemsAreNotChanged() throws {
        let proc = try FileAccess(root: OwnedFD.open("/proc", [.pathOnly, .directory]))
        let sys = try FileAccess(root: OwnedFD.open("/sys", [.pathOnly, .directory]))
        let name = FilePath(verbatim: "/proc/\(getpid())/comm")
        let before = try OwnedFD.open(name, .read).readToEnd()
        let comm = "/\(getpid())/comm"
        #expect(try isDenied { () throws(SandboxError) in try proc.write([49], to: comm) })
        #expect(try isDenied { () throws(SandboxError) in try proc.write([49], to: comm, append: true) })
        #expect(try isDenied { () throws(SandboxError) in try proc.write([49], to: "/mounts") })
        #expect(try isDenied { () throws(SandboxError) in try proc.makeDirectory("/none") })
        #expect(try isDenied { () throws(SandboxError) in try proc.remove(comm) })
        #expect(try isDenied { () throws(SandboxError) in try proc.move(comm, to: "/none") })
        #expect(try isDenied { () throws(SandboxError) in try proc.copyIn(folder.path + "/outside", to: "/") })
        #expect(try isDenied { () throws(SandboxError) in try sys.write([49], to: "/none") })
        #expect(try isDenied { () throws(SandboxError) in try sys.makeDirectory("/none/none", parents: true) })
        #expect(
            try isDenied { () throws(SandboxError) in
                try sys.copyIn(folder.path + "/outside/secret", to: "/none")
            })
        #expect(try OwnedFD.open(name, .read).readToEnd() == before)
    }

    @Test func whereTheKernelMountsStays() throws {
        for name: FilePath in ["proc", "sys", "dev"] { try folder.root.makeDirectory(name, permissions: 0o755) }
        let access = try FileAccess(root: folder.root.open(".", [.pathOnly, .directory]))
        for path in ["/proc", "/sys", "/dev"] {
            #expect(try isDenied { () throws(SandboxError) in try access.remove(path, recursive: true) })
            #expect(try isDenied { () throws(SandboxError) in try access.move(path, to: "/moved") })
        }
        #expect(try folder.names() == ["dev", "proc", "sys"])
    }

    @Test func theRootItselfIsNotRemoved() throws {
        for path in ["/", "/.", "//", "/..", "/a/.."] {
            #expect(try isDenied { () throws(SandboxError) in try folder.access.remove(path, recursive: true) })
            #expect(try isDenied { () throws(SandboxError) in try folder.access.move(path, to: "/x") })
        }
    }

    /// Everything that can be asked about a folder that a process of the sandbox swaps, over and over, with a symlink
    /// that leads outside.
    enum Attempt: CaseIterable {
        case read, write, append, makeDirectory, move, copyIn, list, copyOut, remove, removeBelow

        func callAsFunction(_ folder: FileAccessFolder, round: Int) throws(SandboxError) {
            switch self {
            case .read:
                let bytes = try folder.access.read("/swapped/secret", offset: 0, length: 100).bytes
                #expect(bytes != Array("outside".utf8))
            case .write: _ = try folder.access.write([1], to: "/swapped/secret", createParents: true)
            case .append: _ = try folder.access.write([1], to: "/swapped/secret", append: true)
            case .makeDirectory: try folder.access.makeDirectory("/swapped/kept/folder", parents: true)
            case .move: try folder.access.move("/swapped/secret", to: "/swapped/kept/moved")
            case .copyIn: _ = try folder.access.copyIn(folder.path + "/root/source", to: "/swapped")
            case .list:
                let entries = try folder.access.list("/", recursive: true)
                #expect(!entries.contains { $0.kind == .regular && $0.size == Int64("outside".utf8.count) })
            case .copyOut:
                let copy = folder.path + "/copy\(round)"
                _ = try folder.access.copyOut("/", to: copy, owner: (UInt32(geteuid()), UInt32(getegid())))
            case .remove: try folder.access.remove("/swapped", recursive: true)
            case .removeBelow: try folder.access.remove("/swapped/kept", recursive: true)
            }
        }
    }

    @Test(arguments: Attempt.allCases) func racingSwapsNeverLeadOutside(_ attempt: Attempt) throws {
        for target in ["../outside", folder.path + "/outside"] {
            let swapping = try Swapping(folder.root, with: FilePath(verbatim: target))
            try folder.access.makeDirectory("/source/kept", parents: true)
            try folder.put("source/secret", "copied")
            var successes = 0
            var round = 0
            // Enough of both that they meet at every step of the way.
            while round < 300 || swapping.turns < 3000 {
                round += 1
                do throws(SandboxError) {
                    try attempt(folder, round: round)
                    successes += 1
                } catch {
                    // The race is lost now and then; what matters is where nothing has happened.
                    continue
                }
            }
            swapping.stop()
            #expect(successes > 0)
        }
        try folder.expectOutsideUntouched()
    }
}

/// A thread that makes a folder `swapped` and a symlink `link` change places, and makes them anew when they are gone.
final class Swapping: Sendable {
    private let isOver = Atomic(false)
    private let isRunning = Atomic(true)
    private let count = Atomic(0)
    private let folder: OwnedFD
    private let target: FilePath

    init(_ folder: borrowing OwnedFD, with target: FilePath) throws {
        self.folder = try folder.duplicate()
        self.target = target
        try Thread.start(name: "swapping") { [self] in
            while !isOver.load(ordering: .relaxed) { turn() }
            isRunning.store(false, ordering: .releasing)
        }
    }

    /// How often the two have changed places.
    var turns: Int { count.load(ordering: .relaxed) }

    private func turn() {
        do throws(KernelError) {
            try folder.rename("swapped", to: "link", ifTaken: .exchange)
            // Now and then there is time to get through, and something to get at. An odd number, so that either of the two
            // bears the name then.
            if count.add(1, ordering: .relaxed).newValue % 63 == 0 {
                refill()
                usleep(500)
            }
        } catch {
            // One of them was removed. What is made here the test may remove again at once.
            try? folder.removeFile("link")
            try? folder.removeFile("swapped")
            // Permissions that forbid everything make whoever removes the folder change them first.
            try? folder.makeDirectory("swapped", permissions: isRoot ? 0 : 0o700)
            try? folder.makeSymlink("link", to: target)
            refill()
        }
    }

    private func refill() {
        guard let swapped = try? folder.openDirectoryIfPresent("swapped") else { return }
        try? swapped.makeDirectory("kept", permissions: isRoot ? 0 : 0o700)
        try? swapped.makeNode("secret", kind: .regular, permissions: 0o600)
    }

    /// Returns when the thread does nothing any more.
    func stop() {
        isOver.store(true, ordering: .relaxed)
        while isRunning.load(ordering: .acquiring) { usleep(100) }
    }
}
