import CKernel
import Glibc

/// What a directory entry is.
public enum FileKind: Sendable {
    case regular, directory, symlink, fifo, socket, characterDevice, blockDevice

    init?(mode: mode_t) {
        switch mode & S_IFMT {
        case S_IFREG: self = .regular
        case S_IFDIR: self = .directory
        case S_IFLNK: self = .symlink
        case S_IFIFO: self = .fifo
        case S_IFSOCK: self = .socket
        case S_IFCHR: self = .characterDevice
        case S_IFBLK: self = .blockDevice
        default: return nil
        }
    }

    var modeBits: mode_t {
        switch self {
        case .regular: S_IFREG
        case .directory: S_IFDIR
        case .symlink: S_IFLNK
        case .fifo: S_IFIFO
        case .socket: S_IFSOCK
        case .characterDevice: S_IFCHR
        case .blockDevice: S_IFBLK
        }
    }
}

/// A moment of a file's life, in nanoseconds since 1970.
public struct FileTime: Hashable, Sendable {
    public let nanoseconds: Int64

    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// The wall clock's present moment.
    public static var now: FileTime {
        var time = Glibc.timespec()
        // unsafe: the kernel fills the struct; CLOCK_REALTIME is always there, so the call cannot fail.
        _ = unsafe clock_gettime(CLOCK_REALTIME, &time)
        return FileTime(time)
    }

    /// The present moment by the clock that the kernel stamps files with. It stands still for some milliseconds at a time: what is
    /// changed from now on bears this time or a later one.
    public static var nowForFiles: FileTime {
        var time = Glibc.timespec()
        // unsafe: the kernel fills the struct; CLOCK_REALTIME_COARSE is always there, so the call cannot fail.
        _ = unsafe clock_gettime(CLOCK_REALTIME_COARSE, &time)
        return FileTime(time)
    }

    init(_ time: timespec) { nanoseconds = Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec) }

    var timespec: timespec {
        // Rounded down, so that moments before 1970 keep a positive fraction.
        let seconds = nanoseconds >= 0 ? nanoseconds / 1_000_000_000 : (nanoseconds - 999_999_999) / 1_000_000_000
        return Glibc.timespec(tv_sec: Int(seconds), tv_nsec: Int(nanoseconds - seconds * 1_000_000_000))
    }
}

/// What `fstatat(2)` tells of a file.
public struct FileStatus: Sendable {
    public let kind: FileKind
    /// The permission bits with set-id and sticky bits, without the type.
    public let permissions: UInt32
    public let owner: UInt32
    public let group: UInt32
    /// In bytes; of a symlink, its target's length.
    public let size: Int64
    /// What the file takes on disk, in bytes.
    public let allocatedSize: Int64
    public let linkCount: UInt64
    public let device: UInt64
    public let inode: UInt64
    /// Of a device node, the device that it stands for; 0 is overlayfs's whiteout.
    public let representedDevice: UInt64
    public let accessed: FileTime
    public let modified: FileTime
    /// When anything of the file was changed last, its content, names or metadata. Nobody can set it.
    public let changed: FileTime

    init(_ status: stat) throws(KernelError) {
        guard let kind = FileKind(mode: status.st_mode) else {
            throw KernelError("fstatat", "mode \(status.st_mode)", errno: .invalid)
        }
        self.kind = kind
        permissions = status.st_mode & 0o7777
        owner = status.st_uid
        group = status.st_gid
        size = Int64(status.st_size)
        // st_blocks counts units of 512 bytes whatever the block size (stat(3type)).
        allocatedSize = Int64(status.st_blocks) * 512
        linkCount = UInt64(status.st_nlink)
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
        representedDevice = UInt64(status.st_rdev)
        accessed = FileTime(status.st_atim)
        modified = FileTime(status.st_mtim)
        changed = FileTime(status.st_ctim)
    }

    /// Names the inode among all mounted filesystems.
    public var identity: FileIdentity { FileIdentity(device: device, inode: inode) }
}

/// An inode, by the filesystem's device number and the number in it.
public struct FileIdentity: Hashable, Sendable {
    public let device: UInt64
    public let inode: UInt64

    public init(device: UInt64, inode: UInt64) {
        self.device = device
        self.inode = inode
    }
}

extension OwnedFD {
    /// The status of the open file itself.
    public func status() throws(KernelError) -> FileStatus {
        var status = stat()
        // unsafe: the kernel fills the struct that the pointer names, within the call.
        try check("fstat") { unsafe fstat(rawValue, &status) }
        return try FileStatus(status)
    }

    /// The status of an entry of this directory; a symlink is not followed.
    public func status(of name: FilePath) throws(KernelError) -> FileStatus {
        var status = stat()
        try check("fstatat", name.description) {
            // unsafe: the kernel reads the path and fills the struct within the call.
            unsafe name.withCString { unsafe fstatat(rawValue, $0, &status, AT_SYMLINK_NOFOLLOW) }
        }
        return try FileStatus(status)
    }

    /// As `status(of:)`, with nil for an entry that does not exist.
    public func statusIfPresent(of name: FilePath) throws(KernelError) -> FileStatus? {
        do throws(KernelError) {
            return try status(of: name)
        } catch {
            if error.errno == .noSuchFile { return nil }
            throw error
        }
    }
}
