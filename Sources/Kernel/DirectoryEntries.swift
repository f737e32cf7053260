import CKernel
import Glibc

// Making, naming and removing entries of an open directory. No path is longer than one name unless the caller
// passes one, and no symlink is followed in its last component.
extension OwnedFD {
    public func makeDirectory(_ name: FilePath, permissions: UInt32) throws(KernelError) {
        // unsafe, here and below: the kernel reads the path within the call.
        try check("mkdirat", name.description) { unsafe name.withCString { unsafe mkdirat(rawValue, $0, permissions) } }
    }

    /// Makes the directory unless the name is taken.
    /// - Returns: whether it was made.
    @discardableResult
    public func makeDirectoryIfAbsent(_ name: FilePath, permissions: UInt32) throws(KernelError) -> Bool {
        do throws(KernelError) {
            try makeDirectory(name, permissions: permissions)
            return true
        } catch {
            if error.errno == .exists { return false }
            throw error
        }
    }

    /// Tells the filesystem that what is made in this directory has nothing to do with each other: each new directory goes where
    /// the disk is least used, and what is made below stays near it. Only ext2 and ext4 heed it (chattr(1), attribute T).
    ///
    /// - Returns: false on a filesystem that takes no such advice.
    @discardableResult
    public func spreadDirectories() -> Bool { ck_spread_directories(rawValue) == 0 }

    /// Makes a fifo, a socket, an empty regular file or a device node (mknod(2)).
    public func makeNode(
        _ name: FilePath, kind: FileKind, permissions: UInt32, device: UInt64 = 0
    ) throws(KernelError) {
        try check("mknodat", name.description) {
            unsafe name.withCString { unsafe mknodat(rawValue, $0, kind.modeBits | permissions, dev_t(device)) }
        }
    }

    public func makeSymlink(_ name: FilePath, to target: FilePath) throws(KernelError) {
        try check("symlinkat", name.description) {
            unsafe target.withCString { target in
                unsafe name.withCString { unsafe symlinkat(target, rawValue, $0) }
            }
        }
    }

    /// A symlink's target, of any length.
    public func readSymlink(_ name: FilePath) throws(KernelError) -> FilePath {
        var capacity = 256
        while true {
            var target = [UInt8](repeating: 0, count: capacity)
            let length = try check("readlinkat", name.description) {
                unsafe name.withCString { name in
                    // unsafe: the kernel writes at most the buffer's length.
                    unsafe target.withUnsafeMutableBytes { buffer in
                        unsafe readlinkat(
                            rawValue, name, buffer.baseAddress!.assumingMemoryBound(to: CChar.self), buffer.count)
                    }
                }
            }
            if length < capacity, let path = FilePath(bytes: target.prefix(length)) { return path }
            capacity *= 4
        }
    }

    /// A second name, `newName` in `directory`, for the entry `name`; a symlink itself is linked.
    public func link(_ name: FilePath, to newName: FilePath, in directory: borrowing OwnedFD) throws(KernelError) {
        let target = directory.rawValue
        try check("linkat", newName.description) {
            unsafe name.withCString { name in
                unsafe newName.withCString { unsafe linkat(rawValue, name, target, $0, 0) }
            }
        }
    }

    /// What happens when the new name of a rename is taken (renameat2(2)).
    public enum RenameRule: Sendable {
        case replace
        /// The rename fails with EEXIST.
        case refuse
        /// Both names must exist; they change places.
        case exchange

        var flags: UInt32 {
            switch self {
            case .replace: 0
            case .refuse: ck_RENAME_NOREPLACE
            case .exchange: ck_RENAME_EXCHANGE
            }
        }
    }

    public func rename(
        _ name: FilePath, to newName: FilePath, in directory: borrowing OwnedFD, ifTaken rule: RenameRule = .replace
    ) throws(KernelError) {
        let target = directory.rawValue
        try check("renameat2", "\(name) to \(newName)") {
            unsafe name.withCString { name in
                unsafe newName.withCString { unsafe ck_renameat2(rawValue, name, target, $0, rule.flags) }
            }
        }
    }

    /// As `rename(_:to:in:ifTaken:)` within this directory.
    public func rename(
        _ name: FilePath, to newName: FilePath, ifTaken rule: RenameRule = .replace
    ) throws(KernelError) {
        try rename(name, to: newName, in: self, ifTaken: rule)
    }

    /// Removes an entry that is no directory.
    public func removeFile(_ name: FilePath) throws(KernelError) {
        try check("unlinkat", name.description) { unsafe name.withCString { unsafe unlinkat(rawValue, $0, 0) } }
    }

    /// Removes an empty directory.
    public func removeDirectory(_ name: FilePath) throws(KernelError) {
        try check("unlinkat", name.description) {
            unsafe name.withCString { unsafe unlinkat(rawValue, $0, AT_REMOVEDIR) }
        }
    }
}
