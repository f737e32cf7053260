import Kernel

@testable import Store

/// A tree with one of everything that a sandbox may leave behind.
enum SampleTree {
    static func make(in root: borrowing OwnedFD) throws {
        try writeFile("plain", "hello", in: root, permissions: 0o644)
        try writeFile("empty", "", in: root)
        try writeFile("setuid", "#!", in: root)
        try writeFile("secret", "x", in: root, permissions: 0o000)
        try root.makeDirectory("folder", permissions: 0o751)
        try root.makeDirectory("folder/inner", permissions: 0o700)
        try root.makeDirectory("folder/sticky", permissions: 0o777)
        try root.makeDirectory("hollow", permissions: 0o000)
        try writeFile("folder/inner/deep", String(repeating: "0123456789", count: 50_000), in: root)
        // Two names in one folder, one in another.
        try root.link("plain", to: "again", in: root)
        try root.link("plain", to: "folder/inner/plain-too", in: root)
        try root.makeSymlink("to-plain", to: "plain")
        try root.makeSymlink("dangling", to: "/nowhere/../x")
        try root.makeSymlink(
            "long", to: FilePath(verbatim: String(repeating: "d/", count: 1500)))
        try root.makeNode("fifo", kind: .fifo, permissions: 0o640)
        try root.makeNode("socket", kind: .socket, permissions: 0o750)
        let odd = FilePath(bytes: [0x61, 0xff, 0x0a, 0x22, 0x20])
        if let odd { _ = try root.open(odd, [.write, .create], permissions: 0o600) }
        _ = try root.open(
            FilePath(verbatim: String(repeating: "n", count: 255)), [.write, .create], permissions: 0o600)

        let file = try root.open("setuid", [.readWrite])
        try file.setExtendedAttribute("user.colour", Array("blue".utf8))
        try file.setExtendedAttribute("user.nothing", [])
        if hasOtherUsers { try file.setOwner(1234, group: 4321) }
        try file.setPermissions(0o4755)
        let folder = try root.openDirectory("folder")
        try folder.setExtendedAttribute("user.overlay.opaque", Array("y".utf8))
        try folder.setExtendedAttribute("user.big", [UInt8](repeating: 7, count: 3000))
        try folder.setPermissions(of: "sticky", 0o1777)
        if isRoot {
            if hasOtherUsers { try root.setOwner(of: "to-plain", owner: 5, group: 6) }
            try root.makeNode("whiteout", kind: .characterDevice, permissions: 0, device: 0)
            let capability: [UInt8] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
            try root.open("plain", [.readWrite]).setExtendedAttribute("security.capability", capability)
        }
        let early = FileTime(nanoseconds: -1_500_000_001)
        for (number, name) in ["folder/inner/deep", "folder/inner", "folder", "fifo", "to-plain"].enumerated() {
            try root.setTimes(
                of: FilePath(verbatim: name), accessed: FileTime(nanoseconds: 1_000_000_007),
                modified: FileTime(nanoseconds: 1_700_000_000_123_456_789 + Int64(number)))
        }
        try root.setTimes(of: "empty", accessed: early, modified: early)
    }
}

/// Everything that can be told of a tree of files, one line an entry, sorted; for comparisons.
struct TreeListing: Equatable {
    var lines: [String] = []

    /// - Parameter isAlone: whether no file may have names outside of the tree.
    static func read(_ root: borrowing OwnedFD, isAlone: Bool = true) throws -> TreeListing {
        var visitor = Visitor(isAlone: isAlone)
        try TreeWalk.run(root, &visitor)
        return TreeListing(lines: visitor.lines.sorted())
    }

    private struct Visitor: TreeVisitor {
        let isAlone: Bool
        var path: [FilePath] = []
        var lines: [String] = []
        /// The first name of each file.
        var names: [FileIdentity: String] = [:]

        init(isAlone: Bool) { self.isAlone = isAlone }

        var isOrdered: Bool { true }

        mutating func visit(
            _ name: FilePath, _ kind: FileKind, in folder: borrowing OwnedFD
        ) throws(KernelError) -> Bool {
            let status = try folder.status(of: name)
            let full = path.reduce("") { "\($0)\($1.bytes)/" } + "\(name) \(name.bytes)"
            var facts = "\(full) \(kind) \(String(status.permissions, radix: 8)) \(status.owner):\(status.group) "
            facts += "device=\(status.representedDevice) "
            if isAlone { facts += "links=\(status.linkCount) " }
            facts += "as=\(names[status.identity, default: full]) "
            names[status.identity] = names[status.identity] ?? full
            facts += "modified=\(status.modified.nanoseconds) "
            switch kind {
            case .regular:
                let file = try folder.open(name, [.read])
                facts += "size=\(status.size) content=\(fnv1a64(try file.readToEnd())) " + (try attributes(of: file))
            case .directory: facts += try attributes(of: folder.openDirectory(name))
            case .symlink: facts += "target=\(try folder.readSymlink(name))"
            default: break
            }
            lines.append(facts)
            return kind == .directory
        }

        private func attributes(of file: borrowing OwnedFD) throws(KernelError) -> String {
            var facts: [String] = []
            for name in try file.extendedAttributeNames().sorted() {
                facts.append("\(name)=\(try file.extendedAttribute(name) ?? [])")
            }
            return facts.joined(separator: ",")
        }

        mutating func entered(_ name: FilePath, _ folder: borrowing OwnedFD) { path.append(name) }
        mutating func left(_ name: FilePath, in parent: borrowing OwnedFD) { path.removeLast() }
    }
}
