import CArchive
import Glibc
import Kernel

/// A blob that was written.
struct WrittenBlob: Sendable {
    /// Of the blob as it lies there, and its size in bytes.
    let digest: ImageDigest
    let size: Int64
    /// Of what was written before it was compressed; of a layer, its diff id.
    let contentDigest: ImageDigest
}

/// Writes a blob into a file: compressed, and hashed on both sides of the compressor.
struct BlobWriter: ~Copyable {
    private let output: BlobOutput
    /// Nil: what is written goes into the file as it is.
    private let compressor: Compressor?
    private var contentDigest = SHA256()
    private var buffer: [UInt8] = []

    /// How much is hashed, compressed and written at a time, in bytes: few calls, and still in the processor's cache.
    private static let partSize = 256 * 1024

    /// - Parameter file: empty, open for writing.
    init(_ file: consuming OwnedFD, _ compression: LayerCompression) throws(StoreError) {
        output = BlobOutput(file)
        compressor = compression == .none ? nil : try Compressor(compression, into: output)
        buffer.reserveCapacity(Self.partSize * 2)
    }

    mutating func write(_ bytes: some Collection<UInt8>) throws(StoreError) {
        buffer.append(contentsOf: bytes)
        if buffer.count >= Self.partSize { try flush() }
    }

    /// Ends the blob; its file is on the disk then.
    consuming func finish() throws(StoreError) -> WrittenBlob {
        try flush()
        try compressor?.finish()
        let contentDigest = contentDigest.finish()
        return try output.finish(contentDigest)
    }

    private mutating func flush() throws(StoreError) {
        contentDigest.update(buffer)
        if let compressor {
            try compressor.write(buffer)
        } else {
            try output.write(buffer)
        }
        buffer.removeAll(keepingCapacity: true)
    }
}
