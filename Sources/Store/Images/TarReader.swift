import CArchive
import Kernel

/// Reads the entries of a tar archive from a decompressed stream.
struct TarReader: ~Copyable {
    private let archive: ArchiveHandle
    private let source: BlockLender

    init(_ source: BlockLender) throws(StoreError) {
        self.source = source
        archive = ArchiveHandle()
        // unsafe, here and below: the reader is alive and lent for one call.
        try archive.check(unsafe archive_read_support_format_tar(archive.pointer))
        // A layer that changes no file is an archive without entries, or even without the blocks that end one.
        try archive.check(unsafe archive_read_support_format_empty(archive.pointer))
        // unsafe: the source outlives the reader, which keeps it.
        let context = unsafe Unmanaged.passUnretained(source).toOpaque()
        try check(unsafe archive_read_open(archive.pointer, context, nil, { unsafe TarReader.lend($1, $2) }, nil))
    }

    /// Hands libarchive the next block of the stream (archive_read_open(3)).
    private static func lend(
        _ context: UnsafeMutableRawPointer?, _ block: UnsafeMutablePointer<UnsafeRawPointer?>?
    ) -> Int {
        guard let context = unsafe context else { return -1 }
        let source = unsafe Unmanaged<BlockLender>.fromOpaque(context).takeUnretainedValue()
        guard let bytes = unsafe source.next() else { return -1 }
        unsafe block?.pointee = bytes.baseAddress
        return bytes.count
    }

    /// The next entry, valid until the next call; nil at the archive's end.
    mutating func next() throws(StoreError) -> TarEntry? {
        var entry: OpaquePointer?
        guard try check(unsafe archive_read_next_header(archive.pointer, &entry)), let entry = unsafe entry else {
            return nil
        }
        return try unsafe TarEntry(entry)
    }

    /// Writes the current entry's content; what the archive leaves out of a sparse file stays a hole.
    /// - Returns: where the last byte that was written ends; a hole may follow.
    mutating func writeContent(to file: borrowing OwnedFD) throws(StoreError) -> Int64 {
        var end: Int64 = 0
        while true {
            var start: UnsafeRawPointer?
            var size = 0
            var offset: la_int64_t = 0
            let isMore = try check(unsafe archive_read_data_block(archive.pointer, &start, &size, &offset))
            if !isMore { return end }
            // unsafe: libarchive lends its buffer until the next call.
            let block = unsafe UnsafeRawBufferPointer(start: start, count: size)
            do throws(KernelError) {
                unsafe try file.writeAll(block, at: Int64(offset))
            } catch {
                throw StoreError(error)
            }
            if size > 0 { end = Int64(offset) + Int64(size) }
        }
    }

    /// As `ArchiveHandle.check`, with the stream's own reason where that is why the call failed.
    @discardableResult
    private func check(_ result: Int32) throws(StoreError) -> Bool {
        do throws(StoreError) {
            return try archive.check(result)
        } catch {
            throw source.failure ?? error
        }
    }
}
