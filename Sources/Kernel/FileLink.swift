import CKernel
import Glibc

/// The links of /proc that lead to open files.
public enum FileLink {
    /// What a link points at, as text.
    public static func target(of path: String) throws(KernelError) -> String {
        var bytes = [UInt8](repeating: 0, count: 4096)
        // unsafe: the kernel fills at most the array.
        let count = try check("readlink", path) {
            unsafe bytes.withUnsafeMutableBytes { unsafe readlink(path, $0.baseAddress!, $0.count) }
        }
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }

    /// The status of the file behind a link, whether it still has a name or not.
    public static func status(behind path: String) throws(KernelError) -> OpenFileStatus {
        var status = stat()
        // unsafe: the kernel fills the struct.
        try check("stat", path) { unsafe stat(path, &status) }
        return OpenFileStatus(status)
    }
}

extension FileLink {
    /// The magic number of the filesystem that the file behind a link lies on, as `statfs(2)` lists them.
    public static func filesystemType(behind path: String) throws(KernelError) -> Int64 {
        // unsafe: the kernel reads the path within the call.
        try check("statfs", path) { unsafe ck_filesystem_type_behind(path) }
    }
}

/// The status of an open file, which may be none of a filesystem's.
public struct OpenFileStatus: Sendable {
    /// Nil for what eventfd(2), epoll_create(2) and the like open.
    public let kind: FileKind?
    public let permissions: UInt32
    public let owner: UInt32
    public let group: UInt32
    public let size: Int64
    public let linkCount: UInt64
    public let identity: FileIdentity
    /// Of a device node, the device that it stands for.
    public let representedDevice: UInt64

    init(_ status: stat) {
        kind = FileKind(mode: status.st_mode)
        permissions = status.st_mode & 0o7777
        owner = status.st_uid
        group = status.st_gid
        size = Int64(status.st_size)
        linkCount = UInt64(status.st_nlink)
        identity = FileIdentity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
        representedDevice = UInt64(status.st_rdev)
    }
}

extension OwnedFD {
    /// Where the open file lies now, without symlinks.
    public func location() throws(KernelError) -> String { try FileLink.target(of: "/proc/self/fd/\(rawValue)") }

    /// The status of an open file of any kind.
    public func openFileStatus() throws(KernelError) -> OpenFileStatus {
        var status = stat()
        // unsafe: the kernel fills the struct.
        try check("fstat") { unsafe fstat(rawValue, &status) }
        return OpenFileStatus(status)
    }
}
