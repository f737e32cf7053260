import Kernel

/// What the copy of a folder has, and what the source was like when that was copied.
///
/// One thread at a time uses a tree of them: whoever holds the lock of the `UpperCopy`, and once that is complete nobody changes it.
@safe final class CopiedFolder: @unchecked Sendable {
    /// Of the folder itself; nil while its copy lacks its owner, times and so on.
    var own: CopiedEntry?
    /// Everything but folders.
    var files: [FilePath: CopiedEntry] = [:]
    var folders: [FilePath: CopiedFolder] = [:]

    var count: Int { files.count + folders.count }

    /// Everything below it, folders included.
    func countAll() -> Int {
        var total = 0
        var unvisited = [self]
        while let folder = unvisited.popLast() {
            total += folder.count
            unvisited += folder.folders.values
        }
        return total
    }
}

/// What an entry of the source was like when it was copied.
struct CopiedEntry {
    private let kind: FileKind
    private let inode: UInt64
    private let size: Int64
    private let changed: FileTime
    private let isWhiteout: Bool
    var accessed: FileTime
    /// Whether its copy is a further name of one in another layer, which must stay as it is.
    let isShared: Bool

    init(_ status: FileStatus, isShared: Bool = false) {
        kind = status.kind
        inode = status.inode
        size = status.size
        changed = status.changed
        isWhiteout = status.isWhiteout
        accessed = status.accessed
        self.isShared = isShared
    }

    /// Whether the entry is still the same and has not been changed since, as far as its status tells that.
    func isOf(_ status: FileStatus) -> Bool {
        guard kind == status.kind, inode == status.inode else { return false }
        // All whiteouts are names of one file, which changes with each of them (kernel: fs/overlayfs/dir.c, ovl_whiteout).
        return isWhiteout && status.isWhiteout || size == status.size && changed == status.changed
    }
}

extension FileStatus {
    /// Whether it is how overlayfs marks a deletion.
    var isWhiteout: Bool { kind == .characterDevice && representedDevice == 0 }
}
