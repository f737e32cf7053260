import Kernel

@testable import Store

/// Random layers such as sandboxes leave: few names, so that layers meet in all ways.
struct RandomLayers {
    private var random: SeededGenerator
    private static let names: [FilePath] = ["a", "b", "c", "d"]

    init(seed: UInt64) { random = SeededGenerator(state: seed) }

    /// Fills an empty folder with what an upper may hold.
    mutating func fill(_ folder: borrowing OwnedFD, depth: Int = 0) throws {
        for name in Self.names {
            switch UInt8.random(in: 0..<12, using: &random) {
            case 0, 1: try writeFile(name.description, "text \(random.next() % 3)", in: folder)
            case 2: try folder.makeNode(name, kind: .characterDevice, permissions: 0, device: 0)
            case 3: try folder.makeSymlink(name, to: Self.names[Int(random.next() % 4)])
            case 4...7 where depth < 3: try makeFolder(name, in: folder, depth: depth, mark: nil)
            case 8 where depth < 3: try makeFolder(name, in: folder, depth: depth, mark: "y")
            case 9 where depth < 3: try makeFolderWithWhiteoutFiles(name, in: folder)
            default: break
            }
        }
    }

    private mutating func makeFolder(
        _ name: FilePath, in folder: borrowing OwnedFD, depth: Int, mark: String?
    ) throws {
        try folder.makeDirectory(name, permissions: [0o755, 0o700, 0o711][Int(random.next() % 3)])
        let child = try folder.openDirectory(name)
        if let mark { try child.setExtendedAttribute(OverlayAttribute.opaque, Array(mark.utf8)) }
        try fill(child, depth: depth + 1)
    }

    private mutating func makeFolderWithWhiteoutFiles(_ name: FilePath, in folder: borrowing OwnedFD) throws {
        try folder.makeDirectory(name, permissions: 0o755)
        let child = try folder.openDirectory(name)
        try child.setExtendedAttribute(OverlayAttribute.opaque, OverlayAttribute.mayHoldWhiteoutFiles)
        for name in Self.names where random.next() % 2 == 0 {
            try writeFile(name.description, "", in: child)
            if random.next() % 2 == 0 {
                try child.open(name, [.readWrite]).setExtendedAttribute(OverlayAttribute.whiteout, [])
            }
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers for the same seed.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}

/// What a merged tree shows, one line an entry, sorted.
func listing(of roots: [SharedDirectory]) throws -> [String] {
    var lines: [String] = []
    func list(_ folder: MergedDirectory, _ path: String) throws {
        for (name, entry) in try folder.entries() {
            guard case .present(let part, let kind) = entry else { continue }
            lines.append(try describe(name, kind, in: folder.folder(ofPart: part).descriptor, path: path))
            if kind == .directory { try list(folder.child(name, from: part), "\(path)\(name)/") }
        }
    }
    try list(MergedDirectory(roots: roots), "")
    return lines.sorted()
}

/// The same of a plain tree, as a mounted overlay.
func listing(of root: borrowing OwnedFD, path: String = "") throws -> [String] {
    var lines: [String] = []
    for entry in try root.entries() {
        // The kernel lists a whiteout of a directory that has no other part, and then does not find it.
        guard let kind = try root.statusIfPresent(of: entry.name)?.kind else { continue }
        lines.append(try describe(entry.name, kind, in: root, path: path))
        if kind == .directory {
            lines += try listing(of: root.openDirectory(entry.name), path: "\(path)\(entry.name)/")
        }
    }
    return lines.sorted()
}

private func describe(
    _ name: FilePath, _ kind: FileKind, in folder: borrowing OwnedFD, path: String
) throws -> String {
    let status = try folder.status(of: name)
    let content =
        switch kind {
        case .regular: try readFile(name.description, in: folder)
        case .symlink: try folder.readSymlink(name).description
        default: ""
        }
    return "\(path)\(name) \(kind) \(String(status.permissions, radix: 8)) \(content)"
}
