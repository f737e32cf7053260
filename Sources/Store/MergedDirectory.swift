import Kernel

/// An open directory that several values refer to; closed with the last of them.
final class SharedDirectory: Sendable {
    let descriptor: OwnedFD

    init(_ descriptor: consuming OwnedFD) { self.descriptor = descriptor }
}

/// One directory as overlayfs shows it: the directories of one path in a stack of layers, topmost first, down to the
/// first that hides what lies below.
///
/// The rules are the kernel's (Documentation/filesystems/overlayfs.rst): a name belongs to the topmost layer that has
/// it; directories of one name are merged until an opaque one, a file or a whiteout; a whiteout is a character device
/// 0/0, or an empty file marked as one in a directory that is marked to hold such.
final class MergedDirectory: Sendable {
    /// The directory's part in one layer.
    struct Part: Sendable {
        /// The layer's place in the stack, 0 is the topmost.
        let layer: Int
        let directory: SharedDirectory
        let mayHoldWhiteoutFiles: Bool
    }

    /// What a name stands for.
    enum Entry: Sendable {
        /// The name exists, given by the part at this place of `parts`.
        case present(part: Int, FileKind)
        /// The topmost part that knows the name says that it was deleted.
        case whiteout(part: Int)
    }

    let parts: [Part]
    /// Whether the directory hides what layers further down may have at its path.
    let hidesLower: Bool

    init(parts: [Part], hidesLower: Bool) {
        self.parts = parts
        self.hidesLower = hidesLower
    }

    /// The merged root of a stack of layers.
    convenience init(roots: [SharedDirectory]) throws(KernelError) {
        let parts = try roots.enumerated().map { (layer, root) throws(KernelError) in
            Part(
                layer: layer, directory: root,
                mayHoldWhiteoutFiles: try root.descriptor.extendedAttribute(OverlayAttribute.opaque)
                    == OverlayAttribute.mayHoldWhiteoutFiles)
        }
        self.init(parts: parts, hidesLower: false)
    }

    /// All names that any part knows, with what they stand for.
    func entries() throws(KernelError) -> [FilePath: Entry] {
        var known: [FilePath: Entry] = [:]
        for index in parts.indices {
            for entry in try parts[index].directory.descriptor.entries() where known[entry.name] == nil {
                known[entry.name] = try resolve(entry.name, entry.kind, part: index)
            }
        }
        return known
    }

    /// What one name stands for; nil when no part knows it.
    func entry(_ name: FilePath) throws(KernelError) -> Entry? {
        for index in parts.indices {
            if let status = try parts[index].directory.descriptor.statusIfPresent(of: name) {
                return try resolve(name, status.kind, part: index)
            }
        }
        return nil
    }

    /// The names that the parts of the topmost `layers` layers know.
    func names(inTopmost layers: Int) throws(KernelError) -> Set<FilePath> {
        var names: Set<FilePath> = []
        for part in parts where part.layer < layers {
            for entry in try part.directory.descriptor.entries() { names.insert(entry.name) }
        }
        return names
    }

    /// The merged directory of a name that is a directory in the part at `first`.
    ///
    /// - Parameter base: takes the place of the lowest layer's directory, where another filesystem is mounted.
    func child(
        _ name: FilePath, from first: Int, base: (layer: Int, directory: SharedDirectory)? = nil
    ) throws(KernelError) -> MergedDirectory {
        var found: [Part] = []
        for part in parts[first...] where part.layer != base?.layer {
            switch try lookUp(name, in: part) {
            case .absent: continue
            case .hiding: return MergedDirectory(parts: found, hidesLower: true)
            case .directory(let child, let isOpaque):
                found.append(child)
                if isOpaque { return MergedDirectory(parts: found, hidesLower: true) }
            }
        }
        if let base { found.append(Part(layer: base.layer, directory: base.directory, mayHoldWhiteoutFiles: false)) }
        return MergedDirectory(parts: found, hidesLower: hidesLower)
    }

    private enum LookUp {
        case absent
        /// A file or a whiteout: layers further down do not count.
        case hiding
        case directory(Part, isOpaque: Bool)
    }

    private func lookUp(_ name: FilePath, in part: Part) throws(KernelError) -> LookUp {
        do throws(KernelError) {
            let directory = try part.directory.descriptor.openDirectory(name)
            let mark = try directory.extendedAttribute(OverlayAttribute.opaque)
            let child = Part(
                layer: part.layer, directory: SharedDirectory(directory),
                mayHoldWhiteoutFiles: mark == OverlayAttribute.mayHoldWhiteoutFiles)
            return .directory(child, isOpaque: mark == OverlayAttribute.hidesLower)
        } catch {
            switch error.errno {
            case .noSuchFile: return .absent
            case .notDirectory, .tooManyLinks: return .hiding
            default: throw error
            }
        }
    }

    private func resolve(_ name: FilePath, _ kind: FileKind?, part index: Int) throws(KernelError) -> Entry {
        let part = parts[index]
        var kind = kind
        if kind == nil { kind = try part.directory.descriptor.status(of: name).kind }
        switch kind {
        case .characterDevice?:
            // Makes device 0/0 the one number that no real device has.
            let status = try part.directory.descriptor.status(of: name)
            return status.representedDevice == 0 ? .whiteout(part: index) : .present(part: index, .characterDevice)
        case .regular? where part.mayHoldWhiteoutFiles:
            let isWhiteout = try isWhiteoutFile(name, in: part)
            return isWhiteout ? .whiteout(part: index) : .present(part: index, .regular)
        case let kind?: return .present(part: index, kind)
        case nil: throw KernelError("getdents64", name.description, errno: .invalid)
        }
    }

    private func isWhiteoutFile(_ name: FilePath, in part: Part) throws(KernelError) -> Bool {
        let status = try part.directory.descriptor.status(of: name)
        guard status.size == 0 else { return false }
        let file = try part.directory.descriptor.open(name, [.read, .noFollow, .nonBlocking])
        return try file.extendedAttribute(OverlayAttribute.whiteout) != nil
    }

    /// The folder that an entry's file lies in.
    func folder(ofPart index: Int) -> SharedDirectory { parts[index].directory }
}
