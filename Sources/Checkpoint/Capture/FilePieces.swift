import Glibc
import Kernel

/// The content of files with holes.
enum FilePieces {
    static func read(_ file: borrowing OwnedFD, size: Int64) throws(KernelError) -> [ContentPiece] {
        var pieces: [ContentPiece] = []
        var position: Int64 = 0
        while position < size, let (start, end) = try file.nextData(from: position, size: size) {
            let content = try file.read(at: start, upTo: Int(end - start), expecting: Int(end - start))
            pieces.append(ContentPiece(offset: UInt64(start), content: Blob(content)))
            position = end
        }
        return pieces
    }

    static func write(_ pieces: [ContentPiece], size: UInt64, to file: borrowing OwnedFD) throws(KernelError) {
        try file.setSize(Int64(size))
        for piece in pieces {
            try file.writeAll(piece.content.bytes, at: Int64(piece.offset))
        }
    }
}
