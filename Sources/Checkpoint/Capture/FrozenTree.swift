import Kernel

/// All captured processes, with frozen copies of their memory, from which templates are built and files are written while the
/// processes themselves run again. Belongs to the thread that froze them.
struct FrozenTree {
    let image: TreeImage
    /// By the processes' numbers inside, as all that follows.
    let memory: [Int32: FrozenMemory]
    let files: MappedFiles
    /// All pages that a process has of its own.
    let ownPages: [Int32: PageSet]

    init(_ image: TreeImage, _ memory: [Int32: FrozenMemory], _ files: MappedFiles) throws(KernelError) {
        self.image = image
        self.memory = memory
        self.files = files
        var ownPages: [Int32: PageSet] = [:]
        for process in image.processes {
            guard let frozen = memory[process.pid] else { continue }
            do throws(KernelError) {
                try frozen.complete(process.memory)
                ownPages[process.pid] = try Self.ownPages(of: process.memory, in: frozen.pid)
            } catch {
                throw error.of(process)
            }
        }
        self.ownPages = ownPages
    }

    /// In bytes; what several processes share counts for each of them.
    var size: UInt64 { ownPages.values.reduce(0) { $0 + $1.size } }

    /// Which pages belong to which process's template.
    ///
    /// - Parameter former: the capture before, when it can be built upon.
    func plans(after former: FormerCapture?) throws(KernelError) -> [Int32: TemplatePlan] {
        var plans: [Int32: TemplatePlan] = [:]
        for (index, process) in image.processes.enumerated() {
            guard let frozen = memory[process.pid], let own = ownPages[process.pid] else { continue }
            if let origin = image.origin(of: index).map({ image.processes[$0] }), let originFrozen = memory[origin.pid]
            {
                let difference = try PageDifference(
                    of: process.memory, own, frozen.pid, from: origin.memory, ownPages[origin.pid] ?? PageSet(),
                    originFrozen.pid, candidates: former?.candidates(of: index, in: image))
                plans[process.pid] = TemplatePlan(difference: difference, inheritance: nil)
            } else {
                plans[process.pid] = TemplatePlan(
                    difference: PageDifference(all: own),
                    inheritance: former?.inheritance(of: index, in: image, ownPages: own))
            }
        }
        return plans
    }

    /// Pages that a process has of its own in private areas, and those of deleted files, which nobody else has.
    private static func ownPages(of layout: MemoryLayoutImage, in process: Int32) throws(KernelError) -> PageSet {
        let map = try PageMap(of: process)
        var pages: [Range<UInt64>] = []
        for area in layout.areas where area.isPrivate {
            pages +=
                area.content == .deletedFile ? try map.presentPages(in: area.range) : try map.ownPages(in: area.range)
        }
        return PageSet(pages)
    }
}
