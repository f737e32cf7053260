import CKernel
import Glibc

/// Reads a file part by part through one buffer.
public struct FileReader {
    private var buffer: [UInt8]
    private var filled = 0

    /// - Parameter bufferSize: the size of a part, in bytes; more than 0.
    public init(bufferSize: Int) { buffer = [UInt8](repeating: 0, count: bufferSize) }

    /// The part that was read last.
    public var content: ArraySlice<UInt8> { buffer[..<filled] }

    /// Reads from the file's position until the buffer is full or the file ends.
    /// - Returns: how many bytes there are in `content`; 0 is the end of the file.
    public mutating func fill(from file: borrowing OwnedFD) throws(KernelError) -> Int {
        filled = 0
        let descriptor = file.rawValue
        while filled < buffer.count {
            let start = filled
            let received = try check("read") {
                // unsafe: the kernel writes at most what is left of the buffer.
                unsafe buffer.withUnsafeMutableBytes {
                    unsafe read(descriptor, $0.baseAddress! + start, $0.count - start)
                }
            }
            if received == 0 { break }
            filled += received
        }
        return filled
    }
}

extension OwnedFD {
    /// Everything from the current position to the end of the file.
    public func readToEnd() throws(KernelError) -> [UInt8] {
        var content: [UInt8] = []
        var reader = FileReader(bufferSize: 16 * 1024)
        while try reader.fill(from: self) > 0 { content += reader.content }
        return content
    }

    /// Reads from a position of its own, up to a number of bytes or to the end of the file.
    ///
    /// - Parameter expected: how many bytes there probably are, so that neither memory nor calls are wasted.
    public func read(at position: Int64, upTo limit: Int, expecting expected: Int) throws(KernelError) -> [UInt8] {
        let step = 64 * 1024
        var content: [UInt8] = []
        var filled = 0
        while filled < limit {
            if filled == content.count {
                let wanted = filled == 0 ? max(expected, 1) : filled + step
                content += [UInt8](repeating: 0, count: min(wanted, limit) - filled)
            }
            let received = try check("pread") {
                // unsafe: the kernel writes at most what is left of the content.
                unsafe content.withUnsafeMutableBytes {
                    unsafe pread(rawValue, $0.baseAddress! + filled, $0.count - filled, Int(position) + filled)
                }
            }
            if received == 0 { break }
            filled += received
        }
        content.removeLast(content.count - filled)
        return content
    }

    /// Writes all bytes at the current position.
    public func writeAll(_ content: [UInt8]) throws(KernelError) {
        var done = 0
        while done < content.count {
            done += try check("write") {
                // unsafe: the kernel reads what is left of the content.
                unsafe content.withUnsafeBytes { unsafe write(rawValue, $0.baseAddress! + done, $0.count - done) }
            }
        }
    }

    /// Writes all bytes at an offset; the file's position stays.
    public func writeAll(_ content: [UInt8], at offset: Int64) throws(KernelError) {
        var done = 0
        while done < content.count {
            done += try check("pwrite") {
                // unsafe: the kernel reads what is left of the content.
                unsafe content.withUnsafeBytes {
                    unsafe pwrite(rawValue, $0.baseAddress! + done, $0.count - done, Int(offset) + done)
                }
            }
        }
    }

    /// Writes all bytes of a buffer at an offset; the file's position stays.
    public func writeAll(_ content: UnsafeRawBufferPointer, at offset: Int64) throws(KernelError) {
        var done = 0
        while done < content.count {
            done += try check("pwrite") {
                // unsafe: the kernel reads what is left of the buffer.
                unsafe pwrite(rawValue, content.baseAddress! + done, content.count - done, Int(offset) + done)
            }
        }
    }

    /// Cuts or extends the file; what is new is a hole.
    public func setSize(_ size: Int64) throws(KernelError) {
        try check("ftruncate") { ftruncate(rawValue, Int(size)) }
    }

    /// Writes what the kernel still holds of this file to the disk.
    public func synchronize() throws(KernelError) {
        try check("fsync") { fsync(rawValue) }
    }

    /// Writes what the kernel still holds of the whole filesystem that this file lies on to the disk.
    public func synchronizeFilesystem() throws(KernelError) {
        try check("syncfs") { ck_syncfs(rawValue) }
    }

    /// Bytes that are free on the filesystem, also those that only root may use.
    public func freeBytes() throws(KernelError) -> Int64 {
        var facts = statvfs()
        // unsafe: the kernel fills the struct.
        try check("fstatvfs") { unsafe fstatvfs(rawValue, &facts) }
        return Int64(clamping: UInt64(facts.f_bfree) * UInt64(facts.f_frsize))
    }

    /// The magic number of the filesystem, as `statfs(2)` lists them.
    public func filesystemType() throws(KernelError) -> Int64 {
        try check("fstatfs") { ck_filesystem_type(rawValue) }
    }
}
