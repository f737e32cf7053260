import Kernel

/// Writes a tar archive in the pax format into a blob.
struct TarWriter: ~Copyable {
    private var blob: BlobWriter
    private let monitor: ImageMonitor

    /// How much of a file is read at a time, in bytes.
    private static let partSize: Int64 = 256 * 1024

    init(_ blob: consuming BlobWriter, _ monitor: ImageMonitor) {
        self.blob = blob
        self.monitor = monitor
    }

    /// Adds an entry without content.
    mutating func add(_ header: PaxHeader) throws(StoreError) { try blob.write(header.bytes) }

    /// Adds a regular file.
    ///
    /// - Parameter file: open for reading; it does not change meanwhile.
    /// - Throws: `cancelled`, `noSpace`, `kernel`; `storeCorrupt` when the file is shorter than its header says.
    mutating func add(
        _ header: PaxHeader, _ content: PaxHeader.RegularContent, of file: borrowing OwnedFD
    ) throws(StoreError) {
        try blob.write(header.bytes)
        try blob.write(content.map)
        for range in content.data { try copy(range, of: file, header.path) }
        let filling = -content.dataSize & Int64(PaxHeader.blockSize - 1)
        try blob.write([UInt8](repeating: 0, count: Int(filling)))
    }

    private mutating func copy(
        _ range: Range<Int64>, of file: borrowing OwnedFD, _ path: FilePath
    ) throws(StoreError) {
        var position = range.lowerBound
        while position < range.upperBound {
            try monitor.check()
            let wanted = Int(min(Self.partSize, range.upperBound - position))
            let part = try onDisk { () throws(KernelError) in
                try file.read(at: position, upTo: wanted, expecting: wanted)
            }
            if part.count < wanted { throw .storeCorrupt(reason: "'\(path)' of a layer is shorter than it was") }
            try blob.write(part)
            monitor.hasRead(Int64(wanted))
            position += Int64(wanted)
        }
    }

    /// Ends the archive.
    consuming func finish() throws(StoreError) -> WrittenBlob {
        try blob.write([UInt8](repeating: 0, count: 2 * PaxHeader.blockSize))
        return try blob.finish()
    }
}
