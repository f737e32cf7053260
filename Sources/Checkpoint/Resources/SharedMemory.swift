import CKernel
import Glibc
import Kernel

/// Memory that several mappings show, in one sandbox only: every restored sandbox gets its own, with its content.
enum SharedMemory {
    private static let pageSize = 4096

    /// Reads the content of memory that only mappings lead to, from the areas of a process that show parts of it.
    static func readContent(
        of layout: MemoryLayoutImage, _ remote: RemoteProcess, on thread: TracedThread, _ context: CaptureContext
    ) throws(KernelError) {
        for area in layout.areas {
            guard case .shared(let index) = area.content, let known = context.unreadSharedMemory[index] else {
                continue
            }
            let shown = PageSet([area.offset..<(area.offset + area.size)])
            if case .deletedMapping(let name) = context.tree.sharedMemory[index].kind, !name.isInMemory {
                // What lies on the disk only is read first; what lies behind the end of the file is not there.
                try remote.call(.madvise, [area.start, area.size, populateForReading], on: thread, mayFail: true)
            }
            for part in shown.subtracting(known).runs {
                context.tree.sharedMemory[index].pieces += try pieces(part, of: area, remote, thread)
            }
            context.unreadSharedMemory[index] = known.union(shown)
        }
    }
    private static let populateForReading: UInt64 = 22  // MADV_POPULATE_READ

    /// The parts that exist: mincore(2) tells of pages of the object, whoever has touched them.
    ///
    /// - Parameter part: of the object, which the area shows.
    private static func pieces(
        _ part: PageRun, of area: AreaImage, _ remote: RemoteProcess, _ thread: TracedThread
    ) throws(KernelError) -> [ContentPiece] {
        let pagesAtOnce = CallBatch.dataLimit / 2
        var pieces: [ContentPiece] = []
        var address = area.start + (part.address - area.offset)
        let end = address + part.length
        while address < end {
            let pages = min(Int(end - address) / pageSize, pagesAtOnce)
            var batch = CallBatch(remote, on: thread)
            let vector = try batch.place([UInt8](repeating: 0, count: pages))
            try batch.add(.mincore, [address, UInt64(pages * pageSize), vector])
            try batch.finish()
            let presence = try remote.memory.read(pages, at: vector)
            var page = 0
            while page < pages {
                let first = page
                while page < pages && presence[page] & 1 == presence[first] & 1 { page += 1 }
                if presence[first] & 1 == 0 { continue }
                let start = address + UInt64(first * pageSize)
                let content = try remote.memory.read((page - first) * pageSize, at: start)
                pieces.append(ContentPiece(offset: start - area.start + area.offset, content: Blob(content)))
            }
            address += UInt64(pages * pageSize)
        }
        return pieces
    }

    /// - Parameter mayBeWritten: whether a mapping of it may. A file is not opened for writing without need: it may be of the
    ///   system, and a lower layer's would be copied.
    static func make(
        _ image: SharedMemoryImage, mayBeWritten: Bool, in root: borrowing OwnedFD
    ) throws(KernelError) -> OwnedFD {
        switch image.kind {
        case .file(let path):
            return try root.open(
                try FilePath(validating: path), mayBeWritten ? .readWrite : .read, resolving: .inRoot)
        case .anonymous:
            return try makeMemoryFile("shared", image, seals: 0)
        case .memoryFile(let name, let seals):
            return try makeMemoryFile(name, image, seals: seals)
        case .deletedMapping(let name):
            return try makeMemoryFile(String(name.path.split(separator: "/").last ?? "deleted"), image, seals: 0)
        case .deletedFile:
            preconditionFailure("a deleted file that descriptors lead to is made with the others")
        }
    }

    private static func makeMemoryFile(
        _ name: String, _ image: SharedMemoryImage, seals: Int32
    ) throws(KernelError) -> OwnedFD {
        // unsafe: the kernel reads the name within the call.
        let file = OwnedFD(takingOver: try check("memfd_create", name) { unsafe ck_memfd_create(name) })
        try FilePieces.write(image.pieces, size: image.size, to: file)
        if seals != 0 { try file.addSeals(seals) }
        return file
    }
}

/// Files that were deleted while they were open.
enum DeletedFiles {
    /// Makes a nameless file with the content, on the sandbox's own filesystem.
    static func make(_ image: DeletedFileImage, in root: borrowing OwnedFD) throws(KernelError) -> OwnedFD {
        // O_TMPFILE; a file without a name that can get none later behaves as a deleted one does.
        let nameless = FileOpenFlags(rawValue: 0o20200000 | O_EXCL)
        let file = try root.open(
            FilePath(verbatim: "."), [nameless, .readWrite], permissions: image.permissions, resolving: .inRoot)
        try file.writeAll(image.content.bytes)
        try check("fchown") { fchown(file.rawValue, image.owner, image.group) }
        try check("fchmod") { fchmod(file.rawValue, image.permissions) }
        return file
    }
}
