import Kernel

/// System V shared memory.
struct SegmentImage: Codable, Sendable {
    var identity: SystemVIdentity
    var size: UInt64
    var pieces: [ContentPiece]

    /// Marked for removal, but still attached somewhere (shmctl(2), SHM_DEST).
    var isRemoved: Bool { identity.mode & 0o1000 != 0 }
    /// Not to be swapped out (SHM_LOCKED).
    var isLocked: Bool { identity.mode & 0o2000 != 0 }
}

enum Segments {
    static func capture() throws(KernelError) -> [SegmentImage] {
        let (sizeColumn, ownerColumn) = (3, 7)
        var images: [SegmentImage] = []
        for row in try SystemV.rows(of: .segments) {
            let identity = try row.identity(ownerColumn: ownerColumn)
            let size = try row.number(sizeColumn)
            let segment = try AttachedSegment(identity.id, size: size, isReadOnly: true)
            let pieces = try segment.presentRanges().map { range in
                ContentPiece(offset: UInt64(range.lowerBound), content: Blob(segment.read(range)))
            }
            images.append(SegmentImage(identity: identity, size: size, pieces: pieces))
        }
        return images
    }

    static func make(_ image: SegmentImage) throws(KernelError) {
        let identity = image.identity
        try SystemV.make(.segments, number: identity.id) { () throws(KernelError) in
            try SystemV.makeSegment(key: identity.key, size: image.size, mode: identity.mode)
        }
        try SystemV.setSegment(identity.id, owner: identity.owner, group: identity.group, mode: identity.mode)
        if !image.pieces.isEmpty {
            let segment = try AttachedSegment(identity.id, size: image.size, isReadOnly: false)
            for piece in image.pieces { try segment.write(piece.content.bytes, at: Int(piece.offset)) }
        }
        if image.isLocked { try SystemV.lockSegment(identity.id) }
    }

    /// Marks what was marked, once every process is attached that was.
    static func removeMarked(_ images: [SegmentImage]) throws(KernelError) {
        for image in images where image.isRemoved { try SystemV.removeSegment(image.identity.id) }
    }
}
