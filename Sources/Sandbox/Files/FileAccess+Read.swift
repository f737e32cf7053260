import Kernel

/// A piece of a file.
public struct FilePiece: Sendable {
    public let bytes: [UInt8]
    /// Of the whole file, in bytes.
    public let size: Int64
    /// Whether `bytes` reach the file's end.
    public let isEnd: Bool
}

extension FileAccess {
    /// Reads a piece of a regular file. Symlinks are followed.
    ///
    /// - Parameters:
    ///   - offset: bytes from the file's start; from beyond its end nothing is read.
    ///   - length: at most so many bytes.
    /// - Throws: `isDirectory`; `permissionDenied` for what is neither a file nor a folder.
    public func read(_ path: String, offset: Int64, length: Int) throws(SandboxError) -> FilePiece {
        let name = try filePath(path)
        // Opened by path first: to open a fifo or a device has effects of its own.
        let found = try atPath(path) { () throws(KernelError) in try root.open(name, .pathOnly) }
        let status = try atPath(path) { () throws(KernelError) in try found.status() }
        try status.kind.requireRegular(path)
        return try atPath(path) { () throws(KernelError) in
            // Not blocking, because a process can hold a lease on the file (fcntl(2), F_SETLEASE).
            let file = try found.reopen([.read, .nonBlocking])
            // One byte more tells whether this is the end: files of /proc state no size.
            let expected = Int(clamping: max(0, status.size - offset)) &+ 1
            var bytes = try file.read(at: offset, upTo: length + 1, expecting: expected)
            let isEnd = bytes.count <= length
            if !isEnd { bytes.removeLast() }
            let reached = bytes.isEmpty ? 0 : offset + Int64(bytes.count)
            return FilePiece(bytes: bytes, size: max(status.size, reached), isEnd: isEnd)
        }
    }
}

extension FileKind {
    /// Throws unless this is the kind of a file that has content.
    func requireRegular(_ path: String) throws(SandboxError) {
        switch self {
        case .regular: return
        case .directory: throw .path(PathError(.isDirectory, path))
        default: throw .path(PathError(.permissionDenied(reason: "it is \(noun), not a file"), path))
        }
    }
}
