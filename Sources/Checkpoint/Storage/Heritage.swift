import Kernel

/// An earlier state on the disk, or on its way there, and what has changed since.
struct Heritage: Sendable {
    /// Files of one state; with more, its memory is written anew as a whole.
    private static let segmentLimit = 16

    private let earlier: Promise<Result<RuntimeState.Stored, CheckpointError>>
    /// Pages that the earlier state has not, or has with other content, by the processes' numbers inside.
    private let fresh: [Int32: PageSet]

    init(_ earlier: Promise<Result<RuntimeState.Stored, CheckpointError>>, fresh: [Int32: PageSet]) {
        self.earlier = earlier
        self.fresh = fresh
    }

    func adding(_ more: [Int32: PageSet]) -> Heritage {
        Heritage(earlier, fresh: fresh.merging(more) { $0.union($1) })
    }

    /// Links the earlier state's files into a folder. Waits until they are complete.
    ///
    /// - Returns: nil when they are gone, or there are too many.
    func claim(for folder: StateFolder) throws(KernelError) -> Claim? {
        guard let stored = try? earlier.wait().get(), stored.memory.segments.count < Self.segmentLimit else {
            return nil
        }
        do throws(KernelError) {
            try folder.link(stored.memory.segments, of: stored.folder)
        } catch let error where error.errno == .noSuchFile {
            // The snapshot was deleted.
            return nil
        }
        return Claim(memory: stored.memory, fresh: fresh)
    }

    /// Where in linked files the pages of an earlier state are.
    struct Claim {
        let memory: StoredMemory
        fileprivate let fresh: [Int32: PageSet]

        /// Divides the pages of a process into those that lie in the earlier state's files and those that are to be written.
        func divide(_ runs: [PageRun], of pid: Int32) -> (stored: [StoredRun], rest: [PageRun]) {
            guard let earlier = memory.processes.first(where: { $0.pid == pid }), let fresh = fresh[pid] else {
                return ([], runs)
            }
            let pages = PageSet(runs)
            let old = pages.subtracting(fresh)
            var stored: [StoredRun] = []
            for run in earlier.runs {
                for part in old.parts(within: run.pages.range) {
                    stored.append(
                        StoredRun(
                            pages: part, segment: run.segment, offset: run.offset + (part.address - run.pages.address)))
                }
            }
            return (stored, pages.subtracting(PageSet(stored.map(\.pages))).runs)
        }
    }
}
