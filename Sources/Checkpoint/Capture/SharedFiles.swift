import Kernel

/// Files that processes of a sandbox have mapped and share: whoever has such a mapping writes without a system call, and the kernel
/// notes only the first write to a page that was clean (kernel: mm/memory.c, do_page_mkwrite).
public struct SharedFiles: Sendable {
    /// As the sandbox sees them; shared memory and files of other filesystems among them.
    public let paths: Set<String>

    /// Memory that has no name in any folder (memfd_create(2), shmget(2), mmap(2)), and POSIX shared memory.
    private static let memory = ["/memfd:", "/SYSV", "/dev/zero", "/dev/shm/"]
    /// Rings of calls that write in the background, after they have set the times of the file (io_setup(2), io_uring_setup(2)).
    private static let rings = ["/[aio]", "anon_inode:[io_uring]"]

    /// - Returns: nil when it cannot be told what is written: a process does not stand still, it writes in the background, or a mapped
    ///   file has no path, though it may have another name.
    init?(of tree: HeldTree) throws(KernelError) {
        guard tree.standsStill else { return nil }
        var paths: Set<String> = []
        for process in tree.processes where !process.isZombie {
            for area in try MemoryMap.read(of: process.pid) where area.isShared {
                if Self.rings.contains(where: area.name.hasPrefix) { return nil }
                if Self.memory.contains(where: area.name.hasPrefix) || !area.name.hasPrefix("/") { continue }
                guard Self.isPath(area.name) else { return nil }
                paths.insert(area.name)
            }
        }
        self.paths = paths
    }

    /// Whether the name leads to the file: what is no UTF-8 was repaired, and a line feed may have been a backslash and digits.
    private static func isPath(_ name: String) -> Bool {
        !name.hasSuffix(" (deleted)") && !name.unicodeScalars.contains { $0 == "\u{FFFD}" || $0 == "\n" }
    }
}
