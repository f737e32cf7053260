import Glibc
import Kernel

/// Files that have no name any more and take space as long as some process has them open.
enum DeletedFiles {
    private static let overlayMagic: Int64 = 0x794C_7630  // OVERLAYFS_SUPER_MAGIC

    /// What those of a sandbox's root take, in bytes; of processes that end meanwhile nothing.
    ///
    /// - Parameter proc: the sandbox's /proc.
    static func allocatedBytes(in proc: borrowing OwnedFD, of pids: [Int32]) -> Int64 {
        var seen: Set<FileIdentity> = []
        var total: Int64 = 0
        for pid in pids where pid != 1 {
            let name = FilePath(verbatim: "\(pid)/fd")
            guard let folder = try? proc.open(name, [.directory]), let entries = try? folder.entries() else { continue }
            for entry in entries {
                if let (identity, bytes) = deletedFile(entry.name, in: folder), seen.insert(identity).inserted {
                    total += bytes
                }
            }
        }
        return total
    }

    private static func deletedFile(
        _ descriptor: FilePath, in folder: borrowing OwnedFD
    ) -> (FileIdentity, Int64)? {
        guard let target = try? folder.readSymlink(descriptor), target.description.hasSuffix(" (deleted)"),
            let file = try? folder.open(descriptor, [.pathOnly]), let status = try? file.status(),
            status.kind == .regular, status.linkCount == 0, (try? file.filesystemType()) == overlayMagic
        else { return nil }
        return (status.identity, status.allocatedSize)
    }
}
