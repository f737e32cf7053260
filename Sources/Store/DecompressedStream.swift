import CArchive
import Kernel

/// The archive's bytes after decompression: counted, held to the limits, and hashed, while they flow to the tar reader.
final class DecompressedStream {
    private let archive: ArchiveHandle
    private let file: OwnedFD
    private let limits: ImageLimits
    private let isCancelled: @Sendable () -> Bool
    private var digest = SHA256()
    private var length: Int64 = 0
    /// How many of the last bytes are zero, up to a tar block.
    private var trailingZeros = 0

    /// Why `next` stopped early; the tar reader only learns that it did.
    private(set) var failure: StoreError?

    private static let tarBlock = 512
    /// How much of the compressed file is read at a time.
    private static let readSize = 128 * 1024

    init(
        _ source: consuming ImageSource, limits: ImageLimits, isCancelled: @escaping @Sendable () -> Bool
    ) throws(StoreError) {
        self.limits = limits
        self.isCancelled = isCancelled
        archive = ArchiveHandle()
        file = try onDisk { () throws(KernelError) in try source.file.duplicate() }
        let descriptor = file.rawValue
        // unsafe, here and below: the reader is alive and lent for one call. Only what libarchive decodes itself: "all" would also run programs.
        try archive.check(unsafe archive_read_support_filter_gzip(archive.pointer))
        try archive.check(unsafe archive_read_support_filter_zstd(archive.pointer))
        try archive.check(unsafe archive_read_support_filter_xz(archive.pointer))
        try archive.check(unsafe archive_read_support_format_raw(archive.pointer))
        try archive.check(unsafe archive_read_open_fd(archive.pointer, descriptor, Self.readSize))
        var entry: OpaquePointer?
        // The "raw" format shows the whole stream as one entry.
        let hasContent = try archive.check(unsafe archive_read_next_header(archive.pointer, &entry))
        if !hasContent { throw .imageInvalid(reason: "the archive is empty") }
    }

    /// The next decompressed bytes, valid until the next call; empty at the end. Sets `failure` and returns nil when the
    /// stream is damaged, too large, or the import was cancelled.
    func next() -> UnsafeRawBufferPointer? {
        if failure != nil { return nil }
        do throws(StoreError) {
            return unsafe try readBlock()
        } catch {
            failure = error
            return nil
        }
    }

    private func readBlock() throws(StoreError) -> UnsafeRawBufferPointer {
        if isCancelled() { throw .cancelled }
        var start: UnsafeRawPointer?
        var size = 0
        var offset: la_int64_t = 0
        // unsafe: libarchive lends its own buffer until the next call.
        let isMore = try archive.check(unsafe archive_read_data_block(archive.pointer, &start, &size, &offset))
        let block = unsafe UnsafeRawBufferPointer(start: start, count: isMore ? size : 0)
        unsafe digest.update(block.bindMemory(to: UInt8.self).span)
        length += Int64(size)
        unsafe countZeros(at: block)
        try checkLimits()
        return unsafe block
    }

    private func checkLimits() throws(StoreError) {
        if length > limits.maxUnpackedBytes {
            throw .imageInvalid(reason: "it unpacks to more than the limit of \(limits.maxUnpackedBytes) bytes")
        }
        // unsafe: filter -1 is the file itself (archive_util(3)).
        let compressed = unsafe max(archive_filter_bytes(archive.pointer, -1), 1)
        if length > limits.ratioGraceBytes, length / compressed > limits.maxRatio {
            throw .imageInvalid(
                reason: "it unpacks to more than \(limits.maxRatio) times its size, as only a decompression bomb does")
        }
    }

    private func countZeros(at block: UnsafeRawBufferPointer) {
        let tail = unsafe block.suffix(Self.tarBlock)
        let zeros = unsafe tail.reversed().prefix { $0 == 0 }.count
        trailingZeros = zeros == block.count ? min(trailingZeros + zeros, Self.tarBlock) : zeros
    }

    /// Reads what follows the end of the tar archive, and tells the digest of the whole decompressed stream.
    ///
    /// - Throws: `imageInvalid` when the stream does not end as a tar archive does: it was cut off.
    func finish() throws(StoreError) -> ImageDigest {
        while true {
            guard let block = unsafe next() else { break }
            if unsafe block.isEmpty { break }
        }
        if let failure { throw failure }
        // POSIX ends a tar archive with two blocks of zeros; at least one is there in every writer's output.
        if trailingZeros < Self.tarBlock {
            throw .imageInvalid(reason: "the archive was cut off: the blocks that end a tar archive are missing")
        }
        let text = ImageDigest.algorithm + digest.finish()
        guard let digest = ImageDigest(rawValue: text) else { preconditionFailure("SHA-256 gives 64 digits") }
        return digest
    }
}
