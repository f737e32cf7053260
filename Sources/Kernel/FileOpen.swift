import CKernel
import Glibc

/// How a file is opened; close-on-exec is always added.
public struct FileOpenFlags: OptionSet, Sendable {
    public let rawValue: Int32
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// The absence of `write` and `readWrite`.
    public static let read: FileOpenFlags = []
    public static let write = FileOpenFlags(rawValue: O_WRONLY)
    public static let readWrite = FileOpenFlags(rawValue: O_RDWR)
    public static let create = FileOpenFlags(rawValue: O_CREAT)
    public static let exclusive = FileOpenFlags(rawValue: O_EXCL)
    public static let truncate = FileOpenFlags(rawValue: O_TRUNC)
    public static let append = FileOpenFlags(rawValue: O_APPEND)
    public static let directory = FileOpenFlags(rawValue: O_DIRECTORY)
    public static let noFollow = FileOpenFlags(rawValue: O_NOFOLLOW)
    public static let noControllingTerminal = FileOpenFlags(rawValue: O_NOCTTY)
    public static let nonBlocking = FileOpenFlags(rawValue: O_NONBLOCK)
    /// Reading does not set the time of the last access; only for who owns the file or may act for its owner (open(2), O_NOATIME).
    public static let noAccessTime = FileOpenFlags(rawValue: ck_O_NOATIME)
    /// Only a name for the file: no reading, no writing, no permission needed on the file (open(2), O_PATH).
    public static let pathOnly = FileOpenFlags(rawValue: ck_O_PATH)
}

/// What a path may lead through while it is resolved (openat2(2)).
public struct PathResolution: OptionSet, Sendable {
    public let rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// The directory acts as `/`: absolute symlinks and `..` stay inside of it.
    public static let inRoot = PathResolution(rawValue: ck_RESOLVE_IN_ROOT)
    /// What leads out of the directory, even for a moment, fails with EXDEV.
    public static let beneath = PathResolution(rawValue: ck_RESOLVE_BENEATH)
    public static let noSymlinks = PathResolution(rawValue: ck_RESOLVE_NO_SYMLINKS)
    /// No `/proc/pid/fd/n` and the like.
    public static let noMagicLinks = PathResolution(rawValue: ck_RESOLVE_NO_MAGICLINKS)
    /// No crossing of mount points.
    public static let noMountPoints = PathResolution(rawValue: ck_RESOLVE_NO_XDEV)
}

extension OwnedFD {
    /// Opens by a path relative to the working directory, or absolute.
    public static func open(
        _ path: FilePath, _ flags: FileOpenFlags, permissions: UInt32 = 0
    ) throws(KernelError) -> OwnedFD {
        try openat(AT_FDCWD, path, flags, permissions)
    }

    /// Opens by a path relative to this directory.
    public func open(
        _ path: FilePath, _ flags: FileOpenFlags, permissions: UInt32 = 0
    ) throws(KernelError) -> OwnedFD {
        try OwnedFD.openat(rawValue, path, flags, permissions)
    }

    private static func openat(
        _ directory: Int32, _ path: FilePath, _ flags: FileOpenFlags, _ permissions: UInt32
    ) throws(KernelError) -> OwnedFD {
        let descriptor = try check("openat", path.description) {
            // unsafe: the kernel reads the path within the call.
            unsafe path.withCString { unsafe Glibc.openat(directory, $0, flags.rawValue | O_CLOEXEC, permissions) }
        }
        return OwnedFD(takingOver: descriptor)
    }

    /// Opens by a path relative to this directory, with rules for what it may lead through.
    ///
    /// EAGAIN, which the kernel gives when something was renamed meanwhile and `..` could have escaped, is tried again.
    public func open(
        _ path: FilePath, _ flags: FileOpenFlags, permissions: UInt32 = 0, resolving rules: PathResolution
    ) throws(KernelError) -> OwnedFD {
        while true {
            do throws(KernelError) {
                let descriptor = try check("openat2", path.description) {
                    // unsafe: the kernel reads the path within the call.
                    unsafe path.withCString {
                        unsafe ck_openat2(
                            rawValue, $0, UInt64(flags.rawValue), UInt64(permissions), rules.rawValue)
                    }
                }
                return OwnedFD(takingOver: descriptor)
            } catch {
                if error.errno != .again { throw error }
            }
        }
    }

    /// Opens the file that this descriptor stands for once more, in another way; for one that was opened by path only
    /// and whose kind is known by now.
    public func reopen(_ flags: FileOpenFlags) throws(KernelError) -> OwnedFD {
        // The link leads to the open file itself, whatever its name has become meanwhile (proc_pid_fd(5)).
        try OwnedFD.open(FilePath(verbatim: "/proc/self/fd/\(rawValue)"), flags)
    }

    /// Opens an entry of this directory to copy it, without leaving a trace in it where that is allowed; symlinks are refused, and a fifo
    /// that somebody has put there meanwhile is not waited for.
    public func openToCopy(_ name: FilePath) throws(KernelError) -> OwnedFD {
        let flags: FileOpenFlags = [.read, .noFollow, .nonBlocking]
        do throws(KernelError) {
            return try open(name, flags.union(.noAccessTime))
        } catch {
            guard error.errno == .notPermitted else { throw error }
            return try open(name, flags)
        }
    }

    /// Opens an entry of this directory that must be a directory itself, for reading; symlinks are refused.
    public func openDirectory(_ name: FilePath) throws(KernelError) -> OwnedFD {
        try open(name, [.read, .directory, .noFollow])
    }

    /// As `openDirectory`, with nil where there is no such entry or it is no directory.
    public func openDirectoryIfPresent(_ name: FilePath) throws(KernelError) -> OwnedFD? {
        do throws(KernelError) {
            return try openDirectory(name)
        } catch {
            // ELOOP is what O_NOFOLLOW gives for a symlink without O_DIRECTORY; with it, ENOTDIR.
            if [.noSuchFile, .notDirectory, .tooManyLinks].contains(error.errno) { return nil }
            throw error
        }
    }
}
