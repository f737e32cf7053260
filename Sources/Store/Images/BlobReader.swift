import CArchive
import Kernel

/// The bytes of a blob as they lie in its file, hashed and counted on their way to the decompressor.
///
/// Safe in spite of the pointer that it stores: the buffer is its own and freed once; what it lends is valid until the next
/// read, as libarchive's callbacks want it.
@safe final class BlobReader {
    private let range: FileRange
    private let monitor: ImageMonitor
    private let buffer: UnsafeMutableRawBufferPointer
    private var digest = SHA256()

    /// How many bytes were read so far.
    private(set) var position: Int64 = 0
    /// Why `next` stopped early; libarchive only learns that it did.
    private(set) var failure: StoreError?

    /// How much is read at a time, in bytes: few system calls, and still in the processor's cache when it is decompressed.
    private static let readSize = 256 * 1024

    init(_ range: FileRange, _ monitor: ImageMonitor) {
        self.range = range
        self.monitor = monitor
        // unsafe: owned by this value and freed by its deinit.
        unsafe buffer = .allocate(byteCount: Self.readSize, alignment: 16)
    }

    deinit { unsafe buffer.deallocate() }

    /// The next bytes, valid until the next call; empty at the end. Sets `failure` and returns nil when there are none to be had.
    func next() -> UnsafeRawBufferPointer? {
        if failure != nil { return nil }
        do throws(StoreError) {
            try monitor.check()
            let count = try unsafe range.read(at: position, into: buffer)
            let bytes = unsafe UnsafeRawBufferPointer(rebasing: buffer[..<count])
            unsafe digest.update(bytes)
            position += Int64(count)
            monitor.hasRead(Int64(count))
            return unsafe bytes
        } catch {
            failure = error
            return nil
        }
    }

    /// Reads what the decompressor has left, as some writers put bytes behind the end of the compressed stream, and tells
    /// the digest of the whole blob.
    func finish() throws(StoreError) -> ImageDigest {
        while let bytes = unsafe next() {
            if unsafe bytes.isEmpty { break }
        }
        if let failure { throw failure }
        return digest.finish()
    }

    /// Lets a libarchive reader read this blob (archive_read_open(3)). The reader must not outlive it.
    func open(in archive: borrowing ArchiveHandle) throws(StoreError) {
        // unsafe: the caller keeps this alive as long as the reader.
        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        try archive.check(
            unsafe archive_read_open(archive.pointer, context, nil, { unsafe BlobReader.lend($1, $2) }, nil))
    }

    private static func lend(
        _ context: UnsafeMutableRawPointer?, _ block: UnsafeMutablePointer<UnsafeRawPointer?>?
    ) -> Int {
        guard let context = unsafe context else { return -1 }
        let reader = unsafe Unmanaged<BlobReader>.fromOpaque(context).takeUnretainedValue()
        guard let bytes = unsafe reader.next() else { return -1 }
        unsafe block?.pointee = bytes.baseAddress
        return bytes.count
    }
}
