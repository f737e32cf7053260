import Kernel

/// The memory of one captured process.
struct ProcessPages: Sendable {
    /// Holds all of it, or for a process that is forked from another one, what differs from that one's.
    let template: Template
    /// Pages that the other one has and this one has not.
    let discarded: [PageRun]
}

/// Builds the templates of an image.
enum TemplateSet {
    /// From frozen copies. Belongs to the thread that froze them.
    ///
    /// - Returns: by the processes' numbers inside.
    static func build(
        _ frozen: FrozenTree, _ plan: [Int32: PageDifference], _ program: TemplateProgram
    ) throws(KernelError) -> [Int32: ProcessPages] {
        let neighbours = frozen.image.processes.map(\.memory)
        var pages: [Int32: ProcessPages] = [:]
        for image in frozen.image.processes {
            guard let memory = frozen.memory[image.pid], let difference = plan[image.pid] else { continue }
            let template = try Template.build(
                image, difference.runs, from: .process(memory.pid), program: program, files: frozen.files,
                neighbours: neighbours)
            pages[image.pid] = ProcessPages(template: template, discarded: difference.discarded)
        }
        return pages
    }

    /// From what lies on the disk. Belongs to a thread of its own.
    static func build(
        _ tree: TreeImage, _ memory: StoredMemory, _ segments: [StateFolder.Segment], _ files: MappedFiles,
        _ program: TemplateProgram
    ) throws(KernelError) -> [Int32: ProcessPages] {
        let neighbours = tree.processes.map(\.memory)
        let descriptors = segments.map { $0.file.rawValue }
        var pages: [Int32: ProcessPages] = [:]
        for image in tree.processes {
            guard let stored = memory.processes.first(where: { $0.pid == image.pid }) else { continue }
            let template = try Template.build(
                image, stored.runs.map(\.pages), from: .files(descriptors, stored.runs), program: program,
                files: files, neighbours: neighbours)
            pages[image.pid] = ProcessPages(template: template, discarded: stored.discarded)
        }
        return pages
    }
}

/// What a process's memory has beyond that of the process it is forked from.
struct PageDifference {
    private static let pageSize: UInt64 = 4096
    private static let stepSize: UInt64 = 1 << 20

    var runs: [PageRun]
    var discarded: [PageRun]

    /// Leaves out pages that are alike in both, in areas that are mapped alike.
    func reduced(
        of layout: MemoryLayoutImage, _ process: Int32, to origin: MemoryLayoutImage, _ originProcess: Int32,
        originRuns: [PageRun]
    ) throws(KernelError) -> PageDifference {
        let shared = layout.areasShared(with: origin)
        func isShared(_ address: UInt64) -> Bool { shared.contains { $0.holds(address) } }
        let originPages = PageSet(originRuns)
        let ownPages = PageSet(runs)
        var result = PageDifference(runs: [], discarded: [])
        for run in runs {
            if !isShared(run.address) {
                result.runs.append(run)
                continue
            }
            for part in originPages.split(run) {
                if part.isIn {
                    result.runs += try Self.differing(part.run, process, originProcess)
                } else {
                    result.runs.append(part.run)
                }
            }
        }
        for run in originRuns where isShared(run.address) {
            for part in ownPages.split(run) where !part.isIn { result.discarded.append(part.run) }
        }
        return result
    }

    /// The pages of a run that two processes, both standing still, have with different content.
    private static func differing(
        _ run: PageRun, _ first: Int32, _ second: Int32
    ) throws(KernelError) -> [PageRun] {
        var runs: [PageRun] = []
        var address = run.address
        while address < run.address + run.length {
            let size = min(stepSize, run.address + run.length - address)
            let own = try ProcessMemory.readPages(of: first, Int(size), at: address)
            let other = try ProcessMemory.readPages(of: second, Int(size), at: address)
            for offset in stride(from: 0, to: Int(size), by: Int(pageSize)) {
                let page = offset..<(offset + Int(pageSize))
                if own[page].elementsEqual(other[page]) { continue }
                let start = address + UInt64(offset)
                if let last = runs.last, last.address + last.length == start {
                    runs[runs.count - 1].length += pageSize
                } else {
                    runs.append(PageRun(address: start, length: pageSize))
                }
            }
            address += size
        }
        return runs
    }
}

/// Pages, to be asked whether they are among others.
private struct PageSet {
    private let runs: [PageRun]

    init(_ runs: [PageRun]) { self.runs = runs.sorted { $0.address < $1.address } }

    /// Cuts a run into parts that are all in the set or all not.
    func split(_ run: PageRun) -> [(run: PageRun, isIn: Bool)] {
        var parts: [(run: PageRun, isIn: Bool)] = []
        var position = run.address
        let end = run.address + run.length
        for other in runs where other.address < end && other.address + other.length > run.address {
            if other.address > position {
                parts.append((PageRun(address: position, length: other.address - position), false))
                position = other.address
            }
            let stop = min(end, other.address + other.length)
            parts.append((PageRun(address: position, length: stop - position), true))
            position = stop
        }
        if position < end { parts.append((PageRun(address: position, length: end - position), false)) }
        return parts
    }
}
