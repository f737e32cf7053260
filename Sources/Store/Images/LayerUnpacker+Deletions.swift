import Kernel

// How a layer says that something beneath it is gone (OCI image specification, layer.md, "Whiteouts"): an entry `.wh.NAME` in
// NAME's folder, and `.wh..wh..opq` for all that a folder had. Both concern the layers beneath and never this one.
extension LayerUnpacker {
    static let deletionPrefix: FilePath = ".wh."
    static let opaqueMark: FilePath = ".wh..wh..opq"
    /// What aufs, from which these marks come, kept for itself.
    private static let aufsPrefix: FilePath = ".wh..wh."

    /// Takes note of a deletion, or carries it out; false when the entry is a file.
    mutating func isDeletion(_ names: [FilePath], _ entry: TarEntry) throws(StoreError) -> Bool {
        guard let mark = names.last else { return false }
        if names.dropLast().contains(where: { $0.hasPrefix(Self.deletionPrefix) }) {
            throw refusal(entry, "lies in a folder whose name stands for a deletion")
        }
        guard mark.hasPrefix(Self.deletionPrefix) else { return false }
        if role == .lowest { return true }
        let path = joined(names.dropLast())
        if mark == Self.opaqueMark {
            guard let folder = try folder(names.dropLast(), for: entry) else { return true }
            if role == .onTop { try empty(folder, path, entry) } else { opaque.insert(path) }
            return true
        }
        if mark.hasPrefix(Self.aufsPrefix) { return true }
        guard let name = FilePath(bytes: mark.bytes.dropFirst(Self.deletionPrefix.bytes.count)),
            !name.isEmpty, name != ".", name != ".."
        else { throw refusal(entry, "deletes a file without a name") }
        guard let folder = try folder(names.dropLast(), for: entry) else { return true }
        if role == .onTop {
            try delete(name, in: folder, at: path.appending(name), entry)
        } else {
            deletions[path, default: []].insert(name)
        }
        return true
    }

    /// Writes the deletions of a layer `alone` as overlayfs knows them.
    mutating func writeDeletions() throws(StoreError) {
        for (path, names) in deletions where !opaque.contains(path) {
            try onDisk { () throws(KernelError) in
                let folder = try open(path)
                for name in names {
                    switch try folder.statusIfPresent(of: name)?.kind {
                    case nil: try folder.makeNode(name, kind: .characterDevice, permissions: 0, device: 0)
                    case .directory: try hideLower(of: folder.openDirectory(name))
                    // A file hides what lies beneath it in any case.
                    default: continue
                    }
                }
                // Without it, and without such a folder in the layers beneath, the whiteouts themselves would be listed
                // (fs/overlayfs/inode.c, ovl_get_inode; empty: "copied up, but from where is not known").
                try folder.setExtendedAttribute(OverlayAttribute.origin, [])
            }
        }
        for path in opaque {
            try onDisk { () throws(KernelError) in try hideLower(of: open(path)) }
        }
    }

    private func hideLower(of folder: borrowing OwnedFD) throws(KernelError) {
        try folder.setExtendedAttribute(OverlayAttribute.opaque, OverlayAttribute.hidesLower)
    }

    private mutating func delete(
        _ name: FilePath, in folder: SharedDirectory, at path: FilePath, _ entry: TarEntry
    ) throws(StoreError) {
        if made.contains(path) { return }
        try placing(entry) { () throws(KernelError) in _ = try TreeRemover.remove(name, in: folder.descriptor) }
        forgetLastParent()
    }

    private mutating func empty(
        _ folder: SharedDirectory, _ path: FilePath, _ entry: TarEntry
    ) throws(StoreError) {
        let names = try placing(entry) { () throws(KernelError) in try folder.descriptor.entries().map(\.name) }
        for name in names { try delete(name, in: folder, at: path.appending(name), entry) }
    }
}
