import Glibc
import Kernel

/// An open file that several values refer to; closed with the last of them.
final class SharedFile: Sendable {
    let descriptor: OwnedFD

    init(_ descriptor: consuming OwnedFD) { self.descriptor = descriptor }
}

/// Bytes of a file of the host: a whole file, or a member of a tar archive at its place.
///
/// Several threads may read ranges of one file at the same time, as no file position plays a part.
struct FileRange: Sendable {
    let file: SharedFile
    let offset: Int64
    let size: Int64
    /// What it is called, for messages.
    let name: String

    /// All of it, for a document that is to be parsed.
    /// - Throws: `imageInvalid` when it is larger than `limit` bytes, or was cut off.
    func readAll(limit: Int) throws(StoreError) -> [UInt8] {
        if size > Int64(limit) { throw .imageInvalid(reason: "\(name) is larger than the limit of \(limit) bytes") }
        let bytes = try onDisk { () throws(KernelError) in
            try file.descriptor.read(at: offset, upTo: Int(size), expecting: Int(size))
        }
        if bytes.count < Int(size) { throw wasCutOff }
        return bytes
    }

    /// Reads into a buffer from a position within the range. Returns how many bytes there were; 0 at the range's end.
    /// - Throws: `imageInvalid` when the file ends before the range does.
    func read(at position: Int64, into buffer: UnsafeMutableRawBufferPointer) throws(StoreError) -> Int {
        let wanted = min(Int64(buffer.count), size - position)
        if wanted <= 0 { return 0 }
        let descriptor = file.descriptor.rawValue
        let received = try onDisk { () throws(KernelError) in
            try check("pread", name) {
                // unsafe: the kernel writes at most `wanted` bytes, which the buffer has room for.
                unsafe pread(descriptor, buffer.baseAddress, Int(wanted), Int(offset + position))
            }
        }
        if received == 0 { throw wasCutOff }
        return received
    }

    private var wasCutOff: StoreError { .imageInvalid(reason: "\(name) was cut off") }
}
