import Kernel

/// Advice that programs gave about their memory, and what they may do with it, from /proc/PID/smaps, which walks every page: not for a process that waits.
enum MemoryAdvice {
    /// Codes of VmFlags (proc_pid_smaps(5)).
    private static let codes: [Substring: AreaImage.Advice] = [
        "gd": .growsDown, "hg": .hugePages, "nh": .noHugePages, "wf": .wipedOnFork, "dc": .notForked, "dd": .notDumped,
        "lo": .locked, "mg": .mergeable, "nr": .noReserve, "mw": .mayBeWritten,
    ]

    // Of madvise(2).
    static let dontFork: UInt64 = 10
    static let doFork: UInt64 = 11

    /// Adds to what is known already; of a fork, for it has no area that must not be forked.
    static func read(of process: Int32, into layout: inout MemoryLayoutImage) throws(KernelError) {
        var advice: [UInt64: AreaImage.Advice] = [:]
        var start: UInt64 = 0
        for line in try ProcFS.readWhole("/proc/\(process)/smaps").lines {
            if line.hasPrefix(bytes: "VmFlags:") {
                advice[start] = AreaImage.Advice(line.words.dropFirst().compactMap { codes[$0] })
            } else if let dash = line.utf8.firstIndex(of: UInt8(ascii: "-")),
                let address = UInt64(line[..<dash], radix: 16)
            {
                start = address
            }
        }
        for index in layout.areas.indices {
            if let flags = advice[layout.areas[index].start] { layout.areas[index].advice.formUnion(flags) }
        }
    }
}
