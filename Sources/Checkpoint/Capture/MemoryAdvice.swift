import Kernel

/// Advice that programs gave about their memory, and what they may do with it, from /proc/PID/smaps, which walks every page: not for a
/// process that waits, unless it has locked memory.
enum MemoryAdvice {
    /// Codes of VmFlags (proc_pid_smaps(5)).
    private static let codes: [ArraySlice<UInt8>: AreaImage.Advice] = Dictionary(
        uniqueKeysWithValues: [
            ("gd", .growsDown), ("hg", .hugePages), ("nh", .noHugePages), ("wf", .wipedOnFork), ("dc", .notForked),
            ("dd", .notDumped), ("lo", .locked), ("mg", .mergeable), ("nr", .noReserve), ("mw", .mayBeWritten),
            ("dp", .droppable), ("rr", .random), ("sr", .sequential),
        ].map { (name: String, advice: AreaImage.Advice) in (Array(name.utf8)[...], advice) })

    // Of madvise(2).
    static let dontFork: UInt64 = 10
    static let doFork: UInt64 = 11
    static let wipeOnFork: UInt64 = 18
    static let keepOnFork: UInt64 = 19

    /// Adds to what is known already; of a fork, for it has no area that must not be forked.
    static func read(of process: Int32, into layout: inout MemoryLayoutImage) throws(KernelError) {
        let advised = try advisedAreas(of: process)
        var position = 0
        for index in layout.areas.indices {
            let start = layout.areas[index].start
            while position < advised.count, advised[position].range.upperBound <= start { position += 1 }
            // The process may have one area where several of the layout lie.
            guard position < advised.count, advised[position].range.contains(start) else { continue }
            layout.areas[index].advice.formUnion(advised[position].advice)
        }
    }

    private static func advisedAreas(
        of process: Int32
    ) throws(KernelError) -> [(range: Range<UInt64>, advice: AreaImage.Advice)] {
        var areas: [(range: Range<UInt64>, advice: AreaImage.Advice)] = []
        var range: Range<UInt64> = 0..<0
        var cursor = ByteCursor(try ProcFS.readBytes("/proc/\(process)/smaps"))
        while !cursor.isAtEnd {
            // Only an area's first line begins with a number.
            if let start = cursor.number(radix: 16), cursor.skip("-"), let end = cursor.number(radix: 16) {
                range = start..<end
            }
            if cursor.next == UInt8(ascii: "V"), cursor.word().elementsEqual("VmFlags:".utf8) {
                areas.append((range, flags(&cursor)))
            }
            _ = cursor.line()
        }
        return areas
    }

    private static func flags(_ cursor: inout ByteCursor) -> AreaImage.Advice {
        var advice: AreaImage.Advice = []
        while cursor.skip(" ") {
            if let known = codes[cursor.word()] { advice.insert(known) }
        }
        return advice
    }
}
