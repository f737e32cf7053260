import Glibc
import Kernel

/// What unix sockets have that others have not.
enum UnixSockets {
    static func complete(
        _ image: inout SocketImage, _ socket: borrowing OwnedFD, _ context: CaptureContext
    ) throws(KernelError) {
        if let credentials = try socket.socketOption(SOL_SOCKET, SO_PEERCRED, size: 12), credentials.count == 12 {
            // unsafe: the array has three numbers of four bytes (struct ucred).
            let numbers = unsafe credentials.withUnsafeBytes { bytes in
                (0..<3).map { unsafe bytes.loadUnaligned(fromByteOffset: $0 * 4, as: UInt32.self) }
            }
            // A socket that never was connected says user -1.
            if numbers[1] != UInt32.max {
                let pid = context.insidePid(of: Int32(bitPattern: numbers[0])) ?? 0
                image.peer = SocketPeerImage(pid: pid, user: numbers[1], group: numbers[2])
            }
        }
        guard image.hasPath, let file = try socket.boundFile() else { return }
        let target = try FileLink.target(of: "/proc/self/fd/\(file.rawValue)")
        let status = try file.openFileStatus()
        let isDeleted = target.hasSuffix(" (deleted)")
        image.file = BoundFileImage(
            path: isDeleted ? String(target.dropLast(10)) : target, isDeleted: isDeleted,
            permissions: status.permissions, owner: status.owner, group: status.group)
    }
}

extension SocketImage {
    /// Whether its name is a path.
    var hasPath: Bool { isUnix && name.bytes.count > 2 && name.bytes[2] != 0 }

    /// A path of its name that is not absolute was meant from this folder; nil when it cannot be told.
    var bindingFolder: String? {
        let text = SocketAddress.text(name.bytes)
        guard let file else { return nil }
        if text.hasPrefix("/") { return "/" }
        return file.path.hasSuffix("/" + text) ? String(file.path.dropLast(text.utf8.count)) : nil
    }
}
