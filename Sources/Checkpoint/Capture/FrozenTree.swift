import Kernel

/// All captured processes, with frozen copies of their memory, from which templates are built and files are written while the
/// processes themselves run again. Belongs to the thread that froze them.
struct FrozenTree {
    let image: TreeImage
    /// By the processes' numbers inside, as all that follows.
    let memory: [Int32: FrozenMemory]
    let files: MappedFiles
    /// All pages that a process has of its own.
    let ownPages: [Int32: [PageRun]]

    init(_ image: TreeImage, _ memory: [Int32: FrozenMemory], _ files: MappedFiles) throws(KernelError) {
        self.image = image
        self.memory = memory
        self.files = files
        var ownPages: [Int32: [PageRun]] = [:]
        for process in image.processes {
            guard let frozen = memory[process.pid] else { continue }
            try frozen.makeReadable(process.memory)
            ownPages[process.pid] = try Self.ownPages(of: process.memory, in: frozen.pid)
        }
        self.ownPages = ownPages
    }

    /// In bytes; what several processes share counts for each of them.
    var size: UInt64 { ownPages.values.reduce(0) { $1.reduce($0) { $0 + $1.length } } }

    /// Which pages belong to which process's template.
    func plan() throws(KernelError) -> [Int32: PageDifference] {
        var plan: [Int32: PageDifference] = [:]
        for (index, process) in image.processes.enumerated() {
            guard let frozen = memory[process.pid], let runs = ownPages[process.pid] else { continue }
            var difference = PageDifference(runs: runs, discarded: [])
            if let origin = image.origin(of: index).map({ image.processes[$0] }), let originFrozen = memory[origin.pid]
            {
                difference = try difference.reduced(
                    of: process.memory, frozen.pid, to: origin.memory, originFrozen.pid,
                    originRuns: ownPages[origin.pid] ?? [])
            }
            plan[process.pid] = difference
        }
        return plan
    }

    /// Pages that a process has of its own in private areas.
    private static func ownPages(of layout: MemoryLayoutImage, in process: Int32) throws(KernelError) -> [PageRun] {
        let map = try PageMap(of: process)
        var runs: [PageRun] = []
        for area in layout.areas where area.isPrivate {
            for range in try map.ownPages(in: area.start..<area.end) {
                runs.append(PageRun(address: range.lowerBound, length: range.upperBound - range.lowerBound))
            }
        }
        return runs
    }
}
