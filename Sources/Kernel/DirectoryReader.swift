import CKernel
import Glibc

/// Reads a directory's entries in large batches, without `.` and `..`, in the filesystem's own order.
///
/// Safe in spite of the pointer that it stores: the buffer is its own, never handed out, and freed once.
@safe public struct DirectoryReader: ~Copyable {
    private let buffer: UnsafeMutableRawBufferPointer
    private let descriptor: OwnedFD

    /// Room for about a thousand entries; larger buffers gain nothing measurable.
    private static let bufferSize = 32 * 1024

    /// An entry as the directory itself tells it.
    public struct Entry: Sendable {
        public let name: FilePath
        /// nil where the filesystem does not keep kinds in its directories; then ask for the status.
        public let kind: FileKind?
    }

    /// Starts at the first entry. Opens a description of its own, so that several readers do not share a position.
    ///
    /// - Parameter directory: open for reading, or by path only.
    public init(of directory: borrowing OwnedFD) throws(KernelError) {
        descriptor = try directory.open(".", [.read, .directory])
        // unsafe: owned by this value and freed by its deinit.
        unsafe buffer = .allocate(byteCount: DirectoryReader.bufferSize, alignment: 8)
    }

    deinit { unsafe buffer.deallocate() }

    /// The next entries; an empty array is the end.
    public mutating func next() throws(KernelError) -> [Entry] {
        var entries: [Entry] = []
        while entries.isEmpty {
            let filled = try check("getdents64") {
                // unsafe: the kernel fills at most the buffer's size.
                unsafe ck_getdents64(descriptor.rawValue, buffer.baseAddress!, buffer.count)
            }
            if filled == 0 { break }
            append(upTo: filled, to: &entries)
        }
        return entries
    }

    /// Parses records of `struct linux_dirent64`: u64 inode, i64 offset, u16 length, u8 type, name, NUL (getdents(2)).
    private func append(upTo filled: Int, to entries: inout [Entry]) {
        var offset = 0
        while offset < filled {
            // unsafe: the kernel wrote whole records, each of the length that it states.
            let length = unsafe Int(buffer.loadUnaligned(fromByteOffset: offset + 16, as: UInt16.self))
            let type = unsafe buffer[offset + 18]
            let nameField = unsafe UnsafeRawBufferPointer(rebasing: buffer[(offset + 19)..<(offset + length)])
            let name = unsafe nameField.prefix { $0 != 0 }
            offset += length
            if unsafe isSelfOrParent(name) { continue }
            guard let path = unsafe FilePath(bytes: name) else { continue }
            // d_type is the four type bits of the mode, moved down (dirent.h, DTTOIF).
            entries.append(Entry(name: path, kind: FileKind(mode: mode_t(type) << 12)))
        }
    }

    private func isSelfOrParent(_ name: Slice<UnsafeRawBufferPointer>) -> Bool {
        unsafe name.count <= 2 && name.allSatisfy { $0 == UInt8(ascii: ".") }
    }
}

extension OwnedFD {
    /// All entries of this directory.
    public func entries() throws(KernelError) -> [DirectoryReader.Entry] {
        var reader = try DirectoryReader(of: self)
        var all: [DirectoryReader.Entry] = []
        while true {
            let batch = try reader.next()
            if batch.isEmpty { return all }
            all += batch
        }
    }
}
