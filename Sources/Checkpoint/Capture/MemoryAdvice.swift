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

    /// Adds to what is known already; of a fork, for it has no area that must not be forked.
    static func read(of process: Int32, into layout: inout MemoryLayoutImage) throws(KernelError) {
        var advice: [UInt64: AreaImage.Advice] = [:]
        var start: UInt64 = 0
        var cursor = ByteCursor(try ProcFS.readBytes("/proc/\(process)/smaps"))
        while !cursor.isAtEnd {
            // Only an area's first line begins with a number.
            if let address = cursor.number(radix: 16) { start = address }
            if cursor.next == UInt8(ascii: "V"), cursor.word().elementsEqual("VmFlags:".utf8) {
                advice[start] = flags(&cursor)
            }
            _ = cursor.line()
        }
        for index in layout.areas.indices {
            if let flags = advice[layout.areas[index].start] { layout.areas[index].advice.formUnion(flags) }
        }
    }
    private static func flags(_ cursor: inout ByteCursor) -> AreaImage.Advice {
        var advice: AreaImage.Advice = []
        while cursor.skip(" ") {
            if let known = codes[cursor.word()] { advice.insert(known) }
        }
        return advice
    }
}
