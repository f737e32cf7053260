/// How a process's address space is laid out.
struct MemoryLayoutImage: Codable, Sendable {
    var areas: [AreaImage] = []
    /// Paths that areas name by index: mapped files, and the executable.
    var files: [String] = []
    /// Index into `files`; nil when the program's file is gone.
    var executable: Int?
    /// Indexes of files that lie in the sandbox's own layer, where they can be changed in place: no template shows them, and every restored
    /// process gets those of its own sandbox.
    var ownFiles: Set<Int> = []
    /// In the order of struct prctl_mm_map: start_code, end_code, start_data, end_data, start_brk, brk, start_stack, arg_start,
    /// arg_end, env_start, env_end.
    var bounds: [UInt64] = []
    var auxiliaryVector = Blob()

    /// Private areas that are mapped alike in another process: after a fork of that one they need not be mapped anew.
    func areasShared(with origin: MemoryLayoutImage) -> [AreaImage] {
        var byStart: [UInt64: AreaImage] = [:]
        for area in origin.areas where area.isPrivate { byStart[area.start] = area }
        return areas.filter { area in
            area.isPrivate && byStart[area.start].map { area.isMapped(as: $0, files, origin.files) } == true
        }
    }

    /// The areas that show files of the sandbox's own layer.
    var ownFileAreas: [AreaImage] { areas.filter(showsOwnFile) }

    /// All others.
    var lastingAreas: [AreaImage] { areas.filter { !showsOwnFile($0) } }

    func showsOwnFile(_ area: AreaImage) -> Bool {
        if case .file(let index) = area.content { ownFiles.contains(index) } else { false }
    }

    /// Indexes of the files that never change.
    var lastingFiles: [Int] { files.indices.filter { !ownFiles.contains($0) } }

    var lastingPaths: [String] { lastingFiles.map { files[$0] } }

    /// Whether an area that shows shared memory may be written.
    func mayWriteShared(_ index: Int) -> Bool {
        areas.contains { $0.content == .shared(index) && $0.advice.contains(.mayBeWritten) }
    }

    /// Whether the kernel describes the program alike.
    func isDescribed(as other: MemoryLayoutImage) -> Bool {
        bounds == other.bounds && auxiliaryVector == other.auxiliaryVector
            && executable.map { files[$0] } == other.executable.map { other.files[$0] }
    }
}

/// One mapping.
struct AreaImage: Codable, Sendable {
    var start: UInt64
    var end: UInt64
    /// PROT_ bits.
    var protection: UInt64
    var isShared: Bool
    var content: Content
    /// Into the file or shared object, in bytes.
    var offset: UInt64 = 0
    var advice = Advice()

    enum Content: Codable, Sendable, Equatable {
        case anonymous
        /// Index into `MemoryLayoutImage.files`.
        case file(Int)
        /// A private mapping of a file that has no name any more: what the process sees of it is kept as its own.
        case deletedFile
        /// Index into `TreeImage.sharedMemory`.
        case shared(Int)
        /// A System V segment, by its number.
        case segment(Int32)
        /// vdso and its data, which every process has, by name.
        case kernels(String)
    }

    struct Advice: OptionSet, Codable, Sendable {
        let rawValue: UInt16
        static let growsDown = Advice(rawValue: 1)
        static let hugePages = Advice(rawValue: 2)
        static let noHugePages = Advice(rawValue: 4)
        static let wipedOnFork = Advice(rawValue: 8)
        static let notForked = Advice(rawValue: 16)
        static let notDumped = Advice(rawValue: 32)
        static let locked = Advice(rawValue: 64)
        static let mergeable = Advice(rawValue: 128)
        static let noReserve = Advice(rawValue: 256)
        /// By a later mprotect(2), if not now.
        static let mayBeWritten = Advice(rawValue: 512)
        /// What lies in it may vanish at any time (mmap(2), MAP_DROPPABLE). Random number generators keep their state there, so that no
        /// two processes ever have the same: every copy finds it empty.
        static let droppable = Advice(rawValue: 1024)
        static let random = Advice(rawValue: 2048)
        static let sequential = Advice(rawValue: 4096)

        /// What is settled when an area is mapped.
        var ofMapping: Advice { intersection([.growsDown, .droppable]) }
    }

    var size: UInt64 { end - start }

    func holds(_ address: UInt64) -> Bool { address >= start && address < end }
    func holdsAny(of runs: [PageRun]) -> Bool { runs.contains { $0.address < end && $0.address + $0.length > start } }

    /// Whether a fork of a process with this area has what another one, captured beside it, needs.
    func isMapped(as other: AreaImage, _ files: [String], _ otherFiles: [String]) -> Bool {
        if start != other.start || end != other.end || protection != other.protection || offset != other.offset {
            return false
        }
        switch (content, other.content) {
        case (.anonymous, .anonymous), (.deletedFile, .deletedFile):
            return advice.ofMapping == other.advice.ofMapping
        case (.file(let index), .file(let otherIndex)): return files[index] == otherFiles[otherIndex]
        default: return false
        }
    }
    /// Whether the process itself may read it.
    var isReadable: Bool { protection & 1 != 0 }
    /// Whether the process itself may write it.
    var isWritable: Bool { protection & 2 != 0 }

    /// Whether the process has pages of its own in it.
    var isPrivate: Bool {
        if case .kernels = content { return false }
        return !isShared
    }
}

/// Consecutive pages with content.
struct PageRun: Codable, Sendable, Equatable {
    var address: UInt64
    /// In bytes, a multiple of the page size.
    var length: UInt64
}
