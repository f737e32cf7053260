import Kernel

/// What a process's memory has beyond that of the process it is forked from; all, when it is forked from none.
struct PageDifference {
    private static let pageSize: UInt64 = 4096
    private static let stepSize: UInt64 = 1 << 20

    let runs: [PageRun]
    /// Pages that the other one has and this one has not.
    let discarded: [PageRun]

    init(all ownPages: PageSet) {
        runs = ownPages.runs
        discarded = []
    }

    /// Leaves out pages that are alike in both, in areas that are mapped alike.
    ///
    /// - Parameters:
    ///   - process: in the engine's numbering; both stand still.
    ///   - candidates: pages that may differ; nil when any may.
    init(
        of layout: MemoryLayoutImage, _ ownPages: PageSet, _ process: Int32,
        from origin: MemoryLayoutImage, _ originPages: PageSet, _ originProcess: Int32, candidates: PageSet?
    ) throws(KernelError) {
        let comparable = originPages.intersection(PageSet(layout.areasShared(with: origin).map(\.range)))
        let common = ownPages.intersection(comparable)
        var runs = ownPages.subtracting(common).runs
        let memory = try ProcessMemory(of: process)
        let originMemory = try ProcessMemory(of: originProcess)
        for run in (candidates.map(common.intersection) ?? common).runs {
            runs += try Self.differing(run, memory, originMemory)
        }
        self.runs = PageSet(runs).runs
        discarded = comparable.subtracting(ownPages).runs
    }

    /// The pages of a run that two processes have with different content.
    private static func differing(
        _ run: PageRun, _ first: borrowing ProcessMemory, _ second: borrowing ProcessMemory
    ) throws(KernelError) -> [PageRun] {
        var runs: [PageRun] = []
        for start in stride(from: run.address, to: run.range.upperBound, by: Int(stepSize)) {
            let size = Int(min(stepSize, run.range.upperBound - start))
            let own = try first.read(size, at: start)
            let other = try second.read(size, at: start)
            if own == other { continue }
            for offset in stride(from: 0, to: size, by: Int(pageSize)) {
                let page = offset..<(offset + Int(pageSize))
                if own[page] == other[page] { continue }
                runs.append(PageRun(address: start + UInt64(offset), length: pageSize))
            }
        }
        return runs
    }
}

/// How the template of a process is made.
struct TemplatePlan {
    let difference: PageDifference
    /// What a former template of the process has already; nil when there is none.
    let inheritance: Inheritance?

    /// The pages that no former capture has.
    var fresh: [PageRun] { inheritance?.fresh ?? difference.runs }
}
