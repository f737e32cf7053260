import Kernel

extension Store {
    /// What can be seen of a sandbox's own files, in bytes on disk: its upper, and of the layers above its image what nothing above
    /// them hides. Walks through all of them.
    public func visibleUsage(of sandbox: SandboxRecord) throws(StoreError) -> Int64 {
        var layers: [(name: LayerID?, content: SharedDirectory)] = [
            (nil, SharedDirectory(try openUpper(of: sandbox)))
        ]
        for layer in try shortened(sandbox.layers) { layers.append((layer, SharedDirectory(try openContent(layer)))) }
        let stack = LayerStack(layers, base: [])
        return try onDisk { () throws(KernelError) in
            var usage = VisibleUsage()
            try usage.add(stack.root())
            return usage.bytes
        }
    }
}

/// Adds up the files of merged folders.
private struct VisibleUsage {
    /// A folder that is still to be opened, so that no more are open than lie above each other.
    private struct Pending {
        let parent: MergedDirectory
        let name: FilePath
        let part: Int
    }

    private(set) var bytes: Int64 = 0
    private var counted: Set<FileIdentity> = []
    private var pending: [Pending] = []

    mutating func add(_ root: MergedDirectory) throws(KernelError) {
        try addEntries(of: root)
        while let next = pending.popLast() {
            try addEntries(of: next.parent.child(next.name, from: next.part))
        }
    }

    private mutating func addEntries(of folder: MergedDirectory) throws(KernelError) {
        for (name, entry) in try folder.entries() {
            // A sandbox may be at work in it: what has vanished takes nothing.
            guard case .present(let part, let kind) = entry,
                let status = try folder.folder(ofPart: part).descriptor.statusIfPresent(of: name)
            else { continue }
            if kind == .directory {
                bytes += status.allocatedSize
                pending.append(Pending(parent: folder, name: name, part: part))
            } else if status.linkCount == 1 || counted.insert(status.identity).inserted {
                bytes += status.allocatedSize
            }
        }
    }
}
