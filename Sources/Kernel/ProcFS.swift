import CKernel
import Glibc

/// Small files of /proc and the like, read and written whole.
public enum ProcFS {
    /// The largest file read here; those of /proc that a caller wants whole are far smaller.
    private static let readLimit = 1 << 20

    public static func read(_ path: String, in folder: Int32 = AT_FDCWD) throws(KernelError) -> String {
        String(decoding: try read(path, in: folder, upTo: readLimit), as: UTF8.self)
    }

    /// A file that may be as long as a process has mappings or descriptors.
    public static func readWhole(_ path: String) throws(KernelError) -> String {
        String(decoding: try readBytes(path), as: UTF8.self)
    }

    /// As above, for a text that is long and read often.
    public static func readBytes(_ path: String) throws(KernelError) -> [UInt8] {
        try read(path, in: AT_FDCWD, upTo: Int.max)
    }

    private static func read(_ path: String, in folder: Int32, upTo limit: Int) throws(KernelError) -> [UInt8] {
        let file = try open(path, in: folder, O_RDONLY)
        var text: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: limit == Int.max ? 64 << 10 : 4096)
        while text.count < limit {
            // unsafe: read fills at most the chunk.
            let count = try check("read", path) { unsafe Glibc.read(file.rawValue, &chunk, chunk.count) }
            if count == 0 { break }
            text += chunk[..<count]
        }
        return text
    }

    /// The present content of a small file that stays open.
    public static func read(fromStartOf file: borrowing OwnedFD) throws(KernelError) -> String {
        var chunk = [UInt8](repeating: 0, count: 4096)
        // unsafe: pread fills at most the chunk.
        let count = try check("pread") { unsafe pread(file.rawValue, &chunk, chunk.count, 0) }
        return String(decoding: chunk[..<count], as: UTF8.self)
    }

    /// Writes in one call, as such files want it.
    public static func write(_ text: String, to path: String, in folder: Int32 = AT_FDCWD) throws(KernelError) {
        let file = try open(path, in: folder, O_WRONLY)
        let bytes = Array(text.utf8)
        // unsafe: write reads the whole array.
        let written = try check("write", path) { unsafe Glibc.write(file.rawValue, bytes, bytes.count) }
        if written != bytes.count { throw KernelError("write", path, errno: .invalid) }
    }

    private static func open(_ path: String, in folder: Int32, _ flags: Int32) throws(KernelError) -> OwnedFD {
        // unsafe: the path is valid while the call lasts.
        OwnedFD(takingOver: try check("open", path) { unsafe openat(folder, path, flags | O_CLOEXEC) })
    }

    /// Sends a signal to the process whose /proc folder is open; the folder serves as a pidfd (pidfd_send_signal(2)).
    public static func signal(_ number: Int32, toProcessOf folder: borrowing OwnedFD) throws(KernelError) {
        try check("pidfd_send_signal") { ck_pidfd_send_signal(folder.rawValue, number) }
    }

    /// The pids that a /proc lists, in the numbering of its pid namespace.
    public static func processes(in folder: Int32) throws(KernelError) -> [Int32] {
        let handle = try open(".", in: folder, O_RDONLY | O_DIRECTORY)
        // unsafe: fdopendir takes the descriptor over; the stream is closed below.
        guard let stream = unsafe fdopendir(handle.release()) else { throw KernelError("fdopendir", errno: .current) }
        defer { unsafe _ = closedir(stream) }
        var pids: [Int32] = []
        while let entry = unsafe readdir(stream) {
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if let pid = Int32(name) { pids.append(pid) }
        }
        return pids
    }
}
