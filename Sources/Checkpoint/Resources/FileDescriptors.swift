import Glibc
import Kernel

/// An open file of the sandbox's filesystem: regular file, directory, device, or a file of /proc.
struct FileImage: Codable, Sendable {
    /// Inside the sandbox.
    var path: String
    var position: Int64
    /// Index into `TreeImage.deletedFiles`, when the file has no name any more.
    var deleted: Int?
}

/// A file that was deleted while it was open, with its content.
struct DeletedFileImage: Codable, Sendable {
    var permissions: UInt32
    var owner: UInt32
    var group: UInt32
    var size: Int64
    var content: Blob
}

/// What tells deleted files apart.
struct DeletedFileName: Codable, Sendable, Hashable {
    /// That it had.
    var path: String
    var inode: UInt64

    /// Whether it has no place on a disk: all of it that exists is in memory.
    var isInMemory: Bool { SharedFolder.holds(path) }
}

/// A lock on a whole file or a part of it.
struct FileLockImage: Codable, Sendable {
    var isWrite: Bool
    /// In bytes; length 0 is to the end, whatever it will be.
    var start: Int64
    var length: Int64
    /// Whether it is one of flock(2); else one of fcntl(2).
    var isWholeFile: Bool
}

enum FileDescriptors {
    /// What a deleted file may hold: its content lies in the engine's memory.
    private static let deletedFileLimit: Int64 = 256 << 20
    /// Status flags that open(2) takes: append, non-blocking, direct, sync, no access time, path only, directory, no link.
    private static let reopenedFlags: Int32 =
        O_ACCMODE | O_APPEND | O_NONBLOCK | 0o40000 | 0o4010000 | 0o10000 | 0o1000000 | pathOnly | directory | noFollow
    private static let pathOnly: Int32 = 0o10000000
    private static let directory: Int32 = 0o200000
    private static let noFollow: Int32 = 0o400000

    static func capture(_ view: DescriptorView, _ context: CaptureContext) throws(ResourceError) -> FileImage {
        var image = FileImage(path: view.path, position: view.info.position, deleted: nil)
        if view.status.kind == .regular, try kernel({ () throws(KernelError) in try view.isMessageQueue() }) {
            throw .unsupported("it has the message queue \(view.path) open (descriptor \(view.number))")
        }
        switch view.status.kind {
        case .characterDevice:
            guard isOrdinaryDevice(view.status.representedDevice) else {
                throw .unsupported("it has the device \(view.path) open")
            }
        case .blockDevice: throw .unsupported("it has the device \(view.path) open")
        case .directory where view.isDeleted: throw .unsupported("it has the deleted folder \(view.path) open")
        case .regular where view.isDeleted: image.deleted = try captureDeleted(view, context)
        case .regular, .directory, .symlink, .fifo, .socket: break
        case nil: throw .unsupported("it has \(view.target) open")
        }
        return image
    }

    /// null, zero, full, random, urandom.
    private static func isOrdinaryDevice(_ device: UInt64) -> Bool {
        [3, 5, 7, 8, 9].map { UInt64(1 << 8 | $0) }.contains(device)
    }

    private static func captureDeleted(
        _ view: DescriptorView, _ context: CaptureContext
    ) throws(ResourceError) -> Int {
        if let known = context.deletedFiles[view.status.identity] { return known }
        if view.status.size > deletedFileLimit {
            throw .unsupported("it has the deleted file \(view.path) of \(view.status.size >> 20) MiB open")
        }
        let content: [UInt8]
        do throws(KernelError) {
            let file = try OwnedFD.open(FilePath(verbatim: "/proc/\(view.process)/fd/\(view.number)"), .read)
            content = try file.readToEnd()
        } catch {
            throw .kernel(error)
        }
        let index = context.tree.deletedFiles.count
        context.tree.deletedFiles.append(
            DeletedFileImage(
                permissions: view.status.permissions, owner: view.status.owner, group: view.status.group,
                size: view.status.size, content: Blob(content)))
        context.deletedFiles[view.status.identity] = index
        context.connectMappings(of: DeletedFileName(path: view.path, inode: view.status.identity.inode), to: index)
        return index
    }

    static func open(
        _ image: FileImage, flags: Int32, _ context: RestoreContext
    ) throws(KernelError) -> OwnedFD {
        var flags = flags & reopenedFlags
        if flags & pathOnly != 0 { flags &= pathOnly | directory | noFollow }
        let file: OwnedFD
        if let deleted = image.deleted {
            // A file made by O_TMPFILE shows that flag's part that stands for a directory; the link in /proc must be followed.
            flags &= ~(directory | noFollow)
            file = try context.openDeletedFile(deleted, FileOpenFlags(rawValue: flags))
        } else {
            file = try context.root.open(
                try FilePath(validating: image.path), FileOpenFlags(rawValue: flags), resolving: .inRoot)
        }
        if flags & pathOnly == 0, image.position > 0 { try file.seekIfPossible(to: image.position) }
        return file
    }
}

extension FilePath {
    /// A path that comes from an image.
    init(validating text: String) throws(KernelError) {
        guard let path = FilePath(text) else { throw KernelError("openat2", "a path with NUL", errno: .invalid) }
        self = path
    }
}

/// Locks, from the lines of fdinfo that describe them (proc_pid_fdinfo(5), proc_locks(5)).
enum FileLocks {
    /// - Returns: the lock of the open file description, and those that belong to the process.
    static func capture(
        _ info: DescriptorInfo
    ) throws(ResourceError) -> (ofDescription: FileLockImage?, ofProcess: [FileLockImage]) {
        var ofDescription: FileLockImage?
        var ofProcess: [FileLockImage] = []
        for line in info.lines where line.hasPrefix("lock:") {
            // lock:  1: POSIX  ADVISORY  WRITE 17 00:2a:45 0 EOF
            let fields = line.dropFirst(5).split(whereSeparator: \.isWhitespace)
            guard fields.count >= 8, let start = Int64(fields[6]) else { continue }
            let end = Int64(fields[7])
            let lock = FileLockImage(
                isWrite: fields[3] == "WRITE", start: start, length: end.map { $0 - start + 1 } ?? 0,
                isWholeFile: fields[1] == "FLOCK")
            switch fields[1] {
            case "FLOCK", "OFDLCK": ofDescription = lock
            case "POSIX": ofProcess.append(lock)
            default: throw .unsupported("it holds a lease or a lock of the kind \(fields[1])")
            }
        }
        return (ofDescription, ofProcess)
    }

    static func apply(_ lock: FileLockImage, to file: borrowing OwnedFD) throws(KernelError) {
        if lock.isWholeFile {
            try file.lockWholeFile(exclusively: lock.isWrite)
        } else {
            try file.lockRecord(exclusively: lock.isWrite, start: lock.start, length: lock.length)
        }
    }
}
