import Kernel

/// Measures what a tree of files takes on disk.
struct TreeSize: TreeVisitor {
    /// Allocated blocks in bytes, each inode counted once; the root left out.
    private(set) var allocatedBytes: Int64 = 0
    private var counted: Set<FileIdentity> = []

    /// The allocated size of everything below `root`, in bytes.
    static func measure(_ root: borrowing OwnedFD) throws(KernelError) -> Int64 {
        var size = TreeSize()
        try TreeWalk.run(root, &size)
        return size.allocatedBytes
    }

    /// A sandbox may be at work in the tree.
    var passesOverVanished: Bool { true }

    mutating func visit(
        _ name: FilePath, _ kind: FileKind, in folder: borrowing OwnedFD
    ) throws(KernelError) -> Bool {
        guard let status = try folder.statusIfPresent(of: name) else { return false }
        let isDirectory = kind == .directory
        // Only what may be met a second time is remembered.
        if isDirectory || status.linkCount == 1 || counted.insert(status.identity).inserted {
            allocatedBytes += status.allocatedSize
        }
        return isDirectory
    }
}
