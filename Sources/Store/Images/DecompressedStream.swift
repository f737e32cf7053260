import CArchive
import Kernel

/// What was learnt of a blob when all of it was read.
struct BlobFacts: Sendable {
    /// Of the blob as it lies there.
    let digest: ImageDigest
    /// Of what it decompresses to; of a layer, its diff id.
    let contentDigest: ImageDigest
    /// Whether the content ends as a tar archive does, or else was cut off.
    let endsAsTar: Bool
}

/// A blob's bytes after decompression, made by a thread of its own while the caller works on those before.
struct DecompressedStream: ~Copyable {
    private let queue = BlockQueue()
    private let blocks: BlockLender

    /// - Throws: `kernel` when there can be no thread.
    init(_ blob: FileRange, limits: ImageLimits, monitor: ImageMonitor) throws(StoreError) {
        blocks = BlockLender(queue)
        try onDisk { [queue] () throws(KernelError) in
            try Thread.start(name: "decompress") {
                do throws(StoreError) {
                    queue.end(.success(try Decompression(blob, limits, monitor, queue).run()))
                } catch {
                    queue.end(.failure(error))
                }
            }
        }
    }

    deinit { queue.abandon() }

    /// What the tar reader reads from; it must not outlive this value.
    var source: BlockLender { blocks }

    /// Ends the stream early.
    consuming func close() {}

    /// Reads what follows the end of the tar archive, and tells what the blob was.
    /// - Throws: why it could not be read or decompressed to its end.
    func finish() throws(StoreError) -> BlobFacts {
        while let bytes = unsafe blocks.next() {
            if unsafe bytes.isEmpty { break }
        }
        guard let result = queue.result else { preconditionFailure("the last block comes after the result") }
        return try result.get()
    }
}

/// The consumer's end of a stream.
final class BlockLender {
    private let queue: BlockQueue
    private var lent: Block?

    init(_ queue: BlockQueue) { self.queue = queue }

    /// The next decompressed bytes, valid until the next call; empty at the end, nil when the stream is damaged, too large, or the
    /// import was cancelled: then `failure` says why.
    func next() -> UnsafeRawBufferPointer? {
        if let lent { queue.giveBack(lent) }
        lent = queue.take()
        if let lent { return unsafe lent.bytes }
        return failure == nil ? unsafe UnsafeRawBufferPointer(start: nil, count: 0) : nil
    }

    var failure: StoreError? {
        if case .failure(let error)? = queue.result { return error }
        return nil
    }
}

/// One blob's way through libarchive's decompressors.
private struct Decompression: ~Copyable {
    private let blob: BlobReader
    private let limits: ImageLimits
    private let monitor: ImageMonitor
    private let queue: BlockQueue
    private let archive = ArchiveHandle()
    private var digest = SHA256()
    private var length: Int64 = 0
    /// How many of the last bytes are zero, up to a tar block.
    private var trailingZeros = 0

    private static let tarBlock = 512

    init(_ range: FileRange, _ limits: ImageLimits, _ monitor: ImageMonitor, _ queue: BlockQueue) {
        blob = BlobReader(range, monitor)
        self.limits = limits
        self.monitor = monitor
        self.queue = queue
    }

    consuming func run() throws(StoreError) -> BlobFacts {
        do throws(StoreError) {
            try open()
            try copyAll()
        } catch {
            // The reason, where libarchive only learnt that there is one.
            throw blob.failure ?? error
        }
        return BlobFacts(
            digest: try blob.finish(), contentDigest: digest.finish(), endsAsTar: trailingZeros >= Self.tarBlock)
    }

    private mutating func open() throws(StoreError) {
        // unsafe, here and below: the reader is alive and lent for one call. Only what libarchive decodes itself: "all" would
        // also run programs.
        try archive.check(unsafe archive_read_support_filter_gzip(archive.pointer))
        try archive.check(unsafe archive_read_support_filter_zstd(archive.pointer))
        try archive.check(unsafe archive_read_support_filter_xz(archive.pointer))
        try archive.check(unsafe archive_read_support_format_raw(archive.pointer))
        try blob.open(in: archive)
        var entry: OpaquePointer?
        // The "raw" format shows the whole stream as one entry.
        let hasContent = try archive.check(unsafe archive_read_next_header(archive.pointer, &entry))
        if !hasContent { throw .imageInvalid(reason: "the archive is empty") }
    }

    private mutating func copyAll() throws(StoreError) {
        guard var block = queue.takeFree() else { throw .cancelled }
        while true {
            var start: UnsafeRawPointer?
            var size = 0
            var offset: la_int64_t = 0
            // unsafe: libarchive lends its own buffer until the next call.
            let isMore = try archive.check(unsafe archive_read_data_block(archive.pointer, &start, &size, &offset))
            if !isMore { break }
            var bytes = unsafe UnsafeRawBufferPointer(start: start, count: size)
            try unsafe account(for: bytes)
            while unsafe !bytes.isEmpty {
                let taken = unsafe block.append(bytes)
                unsafe bytes = UnsafeRawBufferPointer(rebasing: bytes[taken...])
                if block.isFull {
                    queue.put(block)
                    guard let next = queue.takeFree() else { throw .cancelled }
                    block = next
                }
            }
        }
        if !block.isEmpty { queue.put(block) }
    }

    private mutating func account(for bytes: UnsafeRawBufferPointer) throws(StoreError) {
        unsafe digest.update(bytes)
        length += Int64(bytes.count)
        let tail = unsafe bytes.suffix(Self.tarBlock)
        let zeros = unsafe tail.reversed().prefix { $0 == 0 }.count
        trailingZeros = zeros == bytes.count ? min(trailingZeros + zeros, Self.tarBlock) : zeros

        if monitor.hasUnpacked(Int64(bytes.count)) > limits.maxUnpackedBytes {
            throw .imageInvalid(reason: "it unpacks to more than the limit of \(limits.maxUnpackedBytes) bytes")
        }
        if length > limits.ratioGraceBytes, length / max(blob.position, 1) > limits.maxRatio {
            throw .imageInvalid(
                reason: "it unpacks to more than \(limits.maxRatio) times its size, as only a decompression bomb does")
        }
    }
}
