import Kernel

/// Attaches System V segments to a held process where they were.
struct SegmentAttachment {
    private enum Flag {
        static let readOnly: UInt64 = 0o10000  // SHM_RDONLY
        static let executable: UInt64 = 0o100000  // SHM_EXEC
        static let reservation: UInt64 = 0x02 | 0x10 | 0x20  // MAP_PRIVATE, MAP_FIXED, MAP_ANONYMOUS
        static let (mayMove, toFixedPlace): (UInt64, UInt64) = (1, 2)
    }
    private static let (readable, writable, executable): (UInt64, UInt64, UInt64) = (1, 2, 4)

    let process: RestoringProcess
    let segments: [SegmentImage]

    /// A segment can only be attached whole, and a part of it may have been unmapped or protected apart: each area gets an
    /// attachment anywhere, of which it keeps its part.
    func attach() throws(KernelError) {
        var areas: [(AreaImage, SegmentImage)] = []
        for area in process.image.memory.areas {
            guard case .segment(let id) = area.content else { continue }
            guard let segment = segments.first(where: { $0.identity.id == id }) else {
                throw KernelError("shmat", "segment \(id), which is gone", errno: .invalid)
            }
            areas.append((area, segment))
        }
        if areas.isEmpty { return }
        var batch = CallBatch(process.remote, on: process.leader)
        // So that no attachment lies for a while where another area belongs.
        for (area, _) in areas {
            try batch.add(.mmap, [area.start, area.size, 0, Flag.reservation, UInt64.max, 0])
        }
        for (area, segment) in areas {
            let flags =
                (area.advice.contains(.mayBeWritten) ? 0 : Flag.readOnly)
                | (area.protection & Self.executable != 0 ? Flag.executable : 0)
            try batch.add(.shmat, [UInt64(segment.identity.id), 0, flags])
        }
        let places = try batch.finish().suffix(areas.count)
        for ((area, segment), place) in zip(areas, places) {
            let address = UInt64(bitPattern: place)
            try batch.add(
                .mremap,
                [address + area.offset, area.size, area.size, Flag.mayMove | Flag.toFixedPlace, area.start])
            try batch.add(.munmap, [address, (segment.size + 0xfff) & ~0xfff])
            try batch.add(.mprotect, [area.start, area.size, area.protection])
        }
        try batch.finish()
    }
}
