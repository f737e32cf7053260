import CArchive
import Glibc
import Kernel

/// The file that a blob goes into: hashed and counted on its way there.
final class BlobOutput {
    private let file: OwnedFD
    private var digest = SHA256()
    private var size: Int64 = 0

    /// - Parameter file: empty, open for writing.
    init(_ file: consuming OwnedFD) { self.file = file }

    func write(_ bytes: [UInt8]) throws(StoreError) {
        digest.update(bytes)
        try onDisk { () throws(KernelError) in try file.writeAll(bytes, at: size) }
        size += Int64(bytes.count)
    }

    /// - Parameter bytes: lent for this call.
    func write(_ bytes: UnsafeRawBufferPointer) throws(StoreError) {
        unsafe digest.update(bytes)
        do throws(KernelError) {
            // unsafe: the kernel reads them within the call.
            unsafe try file.writeAll(bytes, at: size)
        } catch {
            throw StoreError(error)
        }
        size += Int64(bytes.count)
    }

    /// Writes what the kernel still holds of it to the disk.
    func finish(_ contentDigest: ImageDigest) throws(StoreError) -> WrittenBlob {
        try onDisk { () throws(KernelError) in try file.synchronize() }
        return WrittenBlob(digest: digest.finish(), size: size, contentDigest: contentDigest)
    }
}

/// A stream through one of libarchive's compressors; the same bytes come out the same each time.
///
/// Safe in spite of the pointer that it stores: it is freed once, by the deinit, and lent for single calls.
@safe final class Compressor {
    private let pointer: OpaquePointer
    private let output: BlobOutput
    /// Why the output stopped; libarchive only learns that it did.
    private var failure: StoreError?

    /// How much is handed to the output at a time, in bytes.
    private static let blockSize: Int32 = 256 * 1024
    /// The knee of zlib's curve: half the time of its default for a twentieth more bytes.
    private static let gzipLevel = "4"

    init(_ compression: LayerCompression, into output: BlobOutput) throws(StoreError) {
        // unsafe: nil only when memory is out, which Swift does not survive either.
        unsafe pointer = archive_write_new()!
        self.output = output
        // unsafe, here and below: the writer is alive and lent for one call. The "raw" format is the stream itself.
        try check(unsafe archive_write_set_format_raw(pointer))
        switch compression {
        case .gzip:
            try check(unsafe archive_write_add_filter_gzip(pointer))
            try check(unsafe archive_write_set_filter_option(pointer, "gzip", "compression-level", Self.gzipLevel))
            // Without the time of day in its header.
            try check(unsafe archive_write_set_filter_option(pointer, "gzip", "timestamp", nil))
        case .zstd: try check(unsafe archive_write_add_filter_zstd(pointer))
        case .none: try check(unsafe archive_write_add_filter_none(pointer))
        }
        try check(unsafe archive_write_set_bytes_per_block(pointer, Self.blockSize))
        // The last block is not filled up with zeros.
        try check(unsafe archive_write_set_bytes_in_last_block(pointer, 1))
        // unsafe: this value outlives the writer, which its deinit frees.
        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        try check(unsafe archive_write_open(pointer, context, nil, { unsafe Compressor.take($1, $2, $3) }, nil))
        let entry = unsafe archive_entry_new()
        defer { unsafe archive_entry_free(entry) }
        unsafe archive_entry_set_filetype(entry, S_IFREG)
        try check(unsafe archive_write_header(pointer, entry))
    }

    deinit { unsafe archive_write_free(pointer) }

    func write(_ bytes: [UInt8]) throws(StoreError) {
        let written = unsafe archive_write_data(pointer, bytes, bytes.count)
        if written != bytes.count { try check(ARCHIVE_FATAL) }
    }

    /// Hands the rest to the output.
    func finish() throws(StoreError) { try check(unsafe archive_write_close(pointer)) }

    private static func take(
        _ context: UnsafeMutableRawPointer?, _ start: UnsafeRawPointer?, _ count: Int
    ) -> Int {
        guard let context = unsafe context else { return -1 }
        let compressor = unsafe Unmanaged<Compressor>.fromOpaque(context).takeUnretainedValue()
        do throws(StoreError) {
            // unsafe: libarchive lends its buffer for this call.
            unsafe try compressor.output.write(UnsafeRawBufferPointer(start: start, count: count))
            return count
        } catch {
            compressor.failure = error
            return -1
        }
    }

    private func check(_ result: Int32) throws(StoreError) {
        if result == ARCHIVE_OK { return }
        if let failure { throw failure }
        // unsafe: libarchive's sentence lives until the next call and is copied at once.
        let reason = unsafe archive_error_string(pointer).map { unsafe String(cString: $0) } ?? "no reason is known"
        throw .kernel(KernelError("compress: \(reason)", "a layer", errno: .invalid))
    }
}
