import Kernel

/// Maps files of the sandbox's own layer into a restored process, once its descriptors are there: what is open for writing has been
/// copied up by then, and the mapping shows what is written.
struct OwnFileMappings {
    private enum Flag {
        static let `private`: UInt64 = 0x02
        static let noReserve: UInt64 = 0x4000
        static let (mayMove, toFixedPlace): (UInt64, UInt64) = (1, 2)
        static let readWrite: UInt64 = 3
    }

    let process: RestoringProcess
    let context: RestoreContext
    private var layout: MemoryLayoutImage { process.image.memory }

    func map() throws(KernelError) {
        if layout.ownFiles.isEmpty { return }
        let files = try passFiles()
        let areas = layout.ownFileAreas
        // Each is mapped elsewhere, gets the process's own pages, and moves to where the template has had room for these.
        var batch = process.calls
        for area in areas {
            guard case .file(let index) = area.content, let file = files[index] else { continue }
            let flags = Flag.private | (area.advice.contains(.noReserve) ? Flag.noReserve : 0)
            try batch.add(.mmap, [0, area.size, Flag.readWrite, flags, file, area.offset])
        }
        let places = try batch.finish().map { UInt64(bitPattern: $0) }
        let pages = try PageMap(of: process.remote.pid)
        for (area, place) in zip(areas, places) {
            let own = PageSet(try pages.ownPages(in: area.range))
            try PageTransfer.write(
                own.runs, to: process.image.pid, distance: place &- area.start, by: process.remote, on: process.leader)
            try batch.add(.mremap, [place, area.size, area.size, Flag.mayMove | Flag.toFixedPlace, area.start])
        }
        try batch.finish()
        let space = AddressSpace(process: process.remote, thread: process.leader, layout: layout)
        try space.advise(areas, dense: [])
        try space.protect(areas)
        for number in files.values { try batch.add(.close, [number]) }
        try batch.finish()
    }

    private func passFiles() throws(KernelError) -> [Int: UInt64] {
        let indexes = layout.ownFiles.sorted()
        let files = try MappedFiles(indexes.map { layout.files[$0] }, in: context.root)
        let numbers = try withExtendedLifetime(files) { () throws(KernelError) in
            try process.take(indexes.map { files.descriptor(of: layout.files[$0]) })
        }
        return Dictionary(uniqueKeysWithValues: zip(indexes, numbers))
    }
}
