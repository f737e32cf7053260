import Kernel

/// Rebuilds the address space of a held process into a captured one.
struct AddressSpace {
    private enum MapFlag {
        static let shared: UInt64 = 0x01
        static let `private`: UInt64 = 0x02
        static let droppable: UInt64 = 0x08
        static let fixed: UInt64 = 0x10
        static let anonymous: UInt64 = 0x20
        static let growsDown: UInt64 = 0x100
        static let noReserve: UInt64 = 0x4000
    }
    private static let (mayMove, toFixedPlace): (UInt64, UInt64) = (1, 2)
    private static let readWrite: UInt64 = 3
    private static let noDescriptor = UInt64.max

    let process: RemoteProcess
    let thread: TracedThread
    let layout: MemoryLayoutImage

    // MARK: A place for the call site

    /// A place that neither the process nor the image uses, with room for the call site and for the vdso on its way.
    static func freePlace(in process: Int32, and layouts: [MemoryLayoutImage]) throws(KernelError) -> UInt64 {
        let (first, step): (UInt64, UInt64) = (0x1000_0000, 0x100_0000)
        let own = try MemoryMap.read(of: process).map { $0.start..<$0.end }
        let taken = own + layouts.flatMap { $0.areas.map { $0.start..<$0.end } }
        var place = first
        while taken.contains(where: { $0.overlaps(surroundings(of: CallSite(address: place))) }) { place += step }
        return place
    }
    /// From the call site to where the vdso waits meanwhile.
    private static let vdsoOffset: UInt64 = 0x10_0000

    /// What no mapping may overlap while a process with a call site is rebuilt.
    static func surroundings(of site: CallSite) -> Range<UInt64> { site.address - margin..<site.address + room }
    private static let (margin, room): (UInt64, UInt64) = (0x10000, 0x20_0000)

    // MARK: Steps

    /// Unmaps everything but the call site, what is kept, and what the kernel has placed; moves the latter to where it was captured.
    ///
    /// - Parameter kept: what stays as it is.
    func clear(keeping kept: [Range<UInt64>] = []) throws(KernelError) {
        guard let site = process.site else {
            preconditionFailure("a call site is installed before a process is rebuilt")
        }
        var batch = CallBatch(process, on: thread)
        let present = try MemoryMap.read(of: process.pid)
        let stays = (kept + [site.address..<site.end]).sorted { $0.lowerBound < $1.lowerBound }
        for area in present where !area.isKernels {
            for gap in Self.gaps(in: area.start..<area.end, between: stays) {
                try batch.add(.munmap, [gap.lowerBound, gap.upperBound - gap.lowerBound])
            }
        }
        let movable = present.filter { $0.isKernels && $0.name != "[vsyscall]" }
        guard let lowest = movable.first?.start else {
            throw KernelError("mremap", "process \(process.pid) has no vdso", errno: .notSupported)
        }
        let refuge = site.address + Self.vdsoOffset
        for area in movable { try move(area.start, area.end - area.start, to: refuge + (area.start - lowest), &batch) }
        for target in layout.areas {
            guard case .kernels(let name) = target.content else { continue }
            guard let source = movable.first(where: { $0.name == name }), source.end - source.start == target.size
            else {
                throw KernelError("mremap", "\(name) of another kernel", errno: .notSupported)
            }
            try move(refuge + (source.start - lowest), target.size, to: target.start, &batch)
        }
        try batch.finish()
    }

    /// What is left of a range without others, which are in order.
    private static func gaps(in range: Range<UInt64>, between others: [Range<UInt64>]) -> [Range<UInt64>] {
        var gaps: [Range<UInt64>] = []
        var position = range.lowerBound
        for other in others where other.overlaps(range) {
            if other.lowerBound > position { gaps.append(position..<other.lowerBound) }
            position = max(position, other.upperBound)
        }
        if position < range.upperBound { gaps.append(position..<range.upperBound) }
        return gaps
    }

    private func move(_ from: UInt64, _ size: UInt64, to place: UInt64, _ batch: inout CallBatch) throws(KernelError) {
        try batch.add(.mremap, [from, size, size, Self.mayMove | Self.toFixedPlace, place])
    }

    /// Maps private areas, ready to be filled: writable, whatever they will be. Those of files without a descriptor have room for
    /// the process's own pages only.
    ///
    /// - Parameter descriptors: in the process, of `layout.files` by index.
    func map(_ areas: [AreaImage], files descriptors: [Int: Int32]) throws(KernelError) {
        var batch = CallBatch(process, on: thread)
        for area in areas where area.isPrivate {
            var flags = MapFlag.fixed | (area.advice.contains(.droppable) ? MapFlag.droppable : MapFlag.private)
            var descriptor = Self.noDescriptor
            if case .file(let index) = area.content, let number = descriptors[index] {
                descriptor = UInt64(number)
            } else {
                flags |= MapFlag.anonymous
            }
            if area.advice.contains(.growsDown) { flags |= MapFlag.growsDown }
            if area.advice.contains(.noReserve) { flags |= MapFlag.noReserve }
            // A large reservation that nobody may touch could be refused if it were writable.
            let protection = area.protection == 0 ? 0 : Self.readWrite
            let offset = descriptor == Self.noDescriptor ? 0 : area.offset
            try batch.add(.mmap, [area.start, area.size, protection, flags, descriptor, offset])
            if case .file = area.content, descriptor == Self.noDescriptor {
                // A huge page would have pages that were never filled, where those of the file are to be seen.
                try batch.add(.madvise, [area.start, area.size, Advice.noHugePages], mayFail: true)
            }
        }
        try batch.finish()
    }

    /// Makes areas writable for content that they are to get; `protect` undoes that.
    func open(_ areas: [AreaImage]) throws(KernelError) {
        try unprotect(areas.filter { $0.protection != Self.readWrite })
    }

    /// Makes areas writable that had another protection.
    func unprotect(_ areas: [AreaImage]) throws(KernelError) {
        var batch = CallBatch(process, on: thread)
        for area in areas where area.isPrivate {
            try batch.add(.mprotect, [area.start, area.size, Self.readWrite])
        }
        try batch.finish()
    }

    /// Gives pages up, so that they are zeros, or the file's, again.
    func discard(_ runs: [PageRun]) throws(KernelError) {
        let dontNeed: UInt64 = 4
        var batch = CallBatch(process, on: thread)
        for run in runs { try batch.add(.madvise, [run.address, run.length, dontNeed]) }
        try batch.finish()
    }

    /// Maps areas that show shared memory.
    ///
    /// - Parameter descriptors: in the process, of `TreeImage.sharedMemory` by index.
    func mapShared(_ descriptors: [Int: Int32]) throws(KernelError) {
        var batch = CallBatch(process, on: thread)
        for area in layout.areas {
            guard case .shared(let index) = area.content, let descriptor = descriptors[index] else { continue }
            let arguments = [
                area.start, area.size, area.protection, MapFlag.shared | MapFlag.fixed, UInt64(descriptor), area.offset,
            ]
            try batch.add(.mmap, arguments)
        }
        try batch.finish()
    }

    /// Gives areas the protection that they had, but those that may not be read: their content is still to be copied.
    func protect(_ areas: [AreaImage]) throws(KernelError) {
        var batch = CallBatch(process, on: thread)
        for area in areas where area.isPrivate && area.isReadable && area.protection != Self.readWrite {
            try batch.add(.mprotect, [area.start, area.size, area.protection])
        }
        try batch.finish()
    }

    /// The rest of `protect`, when no content is copied any more.
    func protectUnreadable() throws(KernelError) {
        var batch = CallBatch(process, on: thread)
        for area in layout.areas where area.isPrivate && !area.isReadable {
            try batch.add(.mprotect, [area.start, area.size, area.protection])
        }
        try batch.finish()
    }

    /// Advice that survives a fork; before content is filled in.
    ///
    /// - Parameter dense: areas that profit from huge pages: a fork copies one entry instead of 512.
    func advise(_ areas: [AreaImage], dense: Set<UInt64>) throws(KernelError) {
        var batch = CallBatch(process, on: thread)
        for area in areas where area.isPrivate {
            var advice = area.advice
            if dense.contains(area.start) { advice.insert(.hugePages) }
            for (flag, value) in Advice.beforeContent where advice.contains(flag) {
                try batch.add(.madvise, [area.start, area.size, value], mayFail: true)
            }
        }
        try batch.finish()
    }

    /// Advice that changes what a fork does, and locks, which a fork drops; after the last fork.
    func adviseForLife() throws(KernelError) {
        var batch = CallBatch(process, on: thread)
        for area in layout.areas where area.isPrivate {
            if area.advice.contains(.wipedOnFork) {
                try batch.add(.madvise, [area.start, area.size, MemoryAdvice.wipeOnFork])
            }
            if area.advice.contains(.notForked) {
                try batch.add(.madvise, [area.start, area.size, MemoryAdvice.dontFork])
            }
            // Beyond the limit of locked memory the process goes on with memory that may be swapped out.
            if area.advice.contains(.locked) { try batch.add(.mlock2, [area.start, area.size, 1], mayFail: true) }
        }
        try batch.finish()
    }

    private enum Advice {
        static let noHugePages: UInt64 = 15
        static let beforeContent: [(AreaImage.Advice, UInt64)] = [
            (.random, 1), (.sequential, 2), (.mergeable, 12), (.hugePages, 14), (.noHugePages, noHugePages),
            (.notDumped, 16),
        ]
    }

    /// What the kernel keeps of the program beside its mappings: bounds, auxiliary vector.
    func describe() throws(KernelError) {
        var batch = CallBatch(process, on: thread)
        try describe(executable: nil, &batch)
        try batch.finish()
    }

    /// As above, with the program's file (PR_SET_MM_MAP in a user namespace, prctl(2)). That can be set once: afterwards the former one
    /// is mapped.
    func describe(executable: UInt64?, _ batch: inout CallBatch) throws(KernelError) {
        let (mapSize, vector) = (104, layout.auxiliaryVector.bytes)  // struct prctl_mm_map, and behind it the vector
        let place = try batch.place(mapSize + vector.count) { address in
            layout.bounds.flatMap(plainBytes) + plainBytes(of: address + UInt64(mapSize))
                + plainBytes(of: UInt32(vector.count)) + plainBytes(of: executable.map { Int32($0) } ?? -1)
                + vector
        }
        try batch.add(.prctl, [Control.setMemory, Control.setMemoryMap, place, UInt64(mapSize), 0])
    }

    func setSignalActions(_ actions: Blob) throws(KernelError) {
        let (kill, stop, size) = (9, 19, 32)
        var batch = CallBatch(process, on: thread)
        let place = try batch.place(actions.bytes)
        for signal in 1...64 where signal != kill && signal != stop {
            try batch.add(.rt_sigaction, [UInt64(signal), place + UInt64((signal - 1) * size), 0, 8])
        }
        try batch.finish()
    }
}
