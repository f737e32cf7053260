import Kernel

/// Deletes trees of any depth and width, with folders in them that forbid it by their permissions.
///
/// Others may be at work in the tree: what they delete first is passed over, and no symlink that they put into it is
/// followed.
public enum TreeRemover {
    /// What was deleted.
    public struct Removed: Sendable {
        /// Directory entries, folders included.
        public internal(set) var entries: Int64 = 0
        /// Allocated blocks of files whose last name went away, in bytes.
        public internal(set) var freedBytes: Int64 = 0
    }

    /// How often a tree is walked again for entries that a filesystem left out, or that others made meanwhile.
    private static let maxPasses = 4

    /// Deletes `name` in `folder` with everything below it; nothing to do when it does not exist.
    ///
    /// - Throws: what the kernel says of the first entry that cannot be deleted; what was deleted by then stays so.
    @discardableResult
    public static func remove(_ name: FilePath, in folder: borrowing OwnedFD) throws(KernelError) -> Removed {
        var remover = RemovingVisitor()
        for pass in 1...maxPasses {
            guard let status = try folder.statusIfPresent(of: name) else { break }
            remover.hasLeftovers = false
            if try remover.visit(name, status.kind, in: folder) {
                guard let root = try folder.openDirectoryIfPresent(name) else { continue }
                try TreeWalk.run(root, &remover)
                if remover.hasLeftovers && pass < maxPasses { continue }
                try remover.removeEmptyDirectory(name, in: folder)
            }
            if !remover.hasLeftovers { break }
        }
        return remover.removed
    }
}

private struct RemovingVisitor: TreeVisitor {
    var removed = TreeRemover.Removed()
    /// Set when something is still there after its turn: the filesystem left an entry out while others were deleted, or
    /// somebody put something else in an entry's place.
    var hasLeftovers = false

    var passesOverVanished: Bool { true }

    mutating func visit(
        _ name: FilePath, _ kind: FileKind, in folder: borrowing OwnedFD
    ) throws(KernelError) -> Bool {
        guard let status = try folder.statusIfPresent(of: name) else { return false }
        do throws(KernelError) {
            if kind == .directory { try folder.removeDirectory(name) } else { try folder.removeFile(name) }
        } catch {
            if kind == .directory, error.errno == .notEmpty {
                // Overlayfs leaves work/work with mode 000, and sandboxes may leave anything.
                if status.permissions & 0o700 != 0o700 { try folder.setPermissions(of: name, 0o700) }
                return true
            }
            try passOverReplaced(error)
            return false
        }
        removed.entries += 1
        if kind == .directory || status.linkCount == 1 { removed.freedBytes += status.allocatedSize }
        return false
    }

    mutating func left(_ name: FilePath, in parent: borrowing OwnedFD) throws(KernelError) {
        do throws(KernelError) {
            try removeEmptyDirectory(name, in: parent)
        } catch {
            if error.errno == .notEmpty { hasLeftovers = true } else { try passOverReplaced(error) }
        }
    }

    /// Leaves an entry that is something else by now to the next pass; one that is gone needs none.
    private mutating func passOverReplaced(_ error: KernelError) throws(KernelError) {
        switch error.errno {
        case .noSuchFile: return
        case .notDirectory, .isDirectory: hasLeftovers = true
        default: throw error
        }
    }

    fileprivate mutating func removeEmptyDirectory(
        _ name: FilePath, in parent: borrowing OwnedFD
    ) throws(KernelError) {
        let status = try parent.status(of: name)
        try parent.removeDirectory(name)
        removed.entries += 1
        removed.freedBytes += status.allocatedSize
    }
}
