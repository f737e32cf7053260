import Kernel

/// A folder that holds one captured state: `state`, which is all but the pages, and files with pages.
///
/// Nobody may write to it while it is being written here, nor ever after; it may be removed at any time.
public final class StateFolder: Sendable {
    /// Raised when an older engine could misread what a newer one writes.
    private static let header = Array("isorun runtime state 6\n".utf8)
    private static let stateName: FilePath = "state"
    private static let checksumSize = 8

    private let folder: OwnedFD

    public init(_ folder: consuming OwnedFD) { self.folder = folder }

    // MARK: Writing

    /// Writes a state whose memory is in templates.
    ///
    /// - Parameter heritage: where most of it may lie already.
    func write(
        _ tree: TreeImage, _ pages: [Int32: ProcessPages], heritage: Heritage?
    ) throws(CheckpointError) -> StoredMemory {
        try write(
            tree,
            pages.mapValues {
                Source(process: $0.template.process.pid, runs: $0.template.runs, discarded: $0.discarded)
            }, heritage: heritage)
    }

    /// Writes a state whose memory is in frozen copies.
    func write(_ frozen: FrozenTree) throws(CheckpointError) -> StoredMemory {
        let plans: [Int32: TemplatePlan]
        do throws(KernelError) { plans = try frozen.plans(after: nil) } catch { throw .kernel(error) }
        var sources: [Int32: Source] = [:]
        for (pid, plan) in plans {
            guard let memory = frozen.memory[pid] else { continue }
            sources[pid] = Source(
                process: memory.pid, runs: plan.difference.runs, discarded: plan.difference.discarded)
        }
        return try write(frozen.image, sources, heritage: nil)
    }

    /// Where the pages of a captured process are.
    private struct Source {
        /// That never runs, in the engine's numbering.
        let process: Int32
        let runs: [PageRun]
        let discarded: [PageRun]
    }

    /// - Parameter sources: by the captured processes' numbers inside.
    private func write(
        _ tree: TreeImage, _ sources: [Int32: Source], heritage: Heritage?
    ) throws(CheckpointError) -> StoredMemory {
        do throws(KernelError) {
            try FaultPoint.storePages.pass()
            let memory = try writePages(tree, sources, try heritage?.claim(for: self))
            try FaultPoint.storeState.pass()
            // The state comes last: a folder that has one is complete.
            try writeState(StoredState(tree: tree, memory: memory))
            return memory
        } catch {
            throw .kernel(error)
        }
    }

    /// Gives this folder another one's files too.
    func link(_ names: [String], of other: StateFolder) throws(KernelError) {
        for name in names {
            let name = try FilePath(validating: name)
            try other.folder.link(name, to: name, in: folder)
        }
    }

    private func writePages(
        _ tree: TreeImage, _ sources: [Int32: Source], _ claim: Heritage.Claim?
    ) throws(KernelError) -> StoredMemory {
        var memory = StoredMemory()
        memory.segments = claim?.memory.segments ?? []
        let segment = "pages-\(RandomName.hex(bytes: 8))"
        let file = try folder.open(
            FilePath(verbatim: segment), [.write, .create, .exclusive], permissions: 0o600)
        var position: UInt64 = 0
        for image in tree.processes {
            guard let source = sources[image.pid] else { continue }
            var stored = StoredPages(pid: image.pid, discarded: source.discarded)
            let start = position
            let (old, fresh) = claim?.divide(source.runs, of: image.pid) ?? ([], source.runs)
            stored.runs = old
            for run in fresh {
                stored.runs.append(StoredRun(pages: run, segment: memory.segments.count, offset: position))
                position += run.length
            }
            try ProcessMemory(of: source.process).save(fresh.map(\.range), to: file, at: Int64(start))
            memory.processes.append(stored)
        }
        memory.segments.append(segment)
        return memory
    }

    private func writeState(_ state: StoredState) throws(KernelError) {
        let payload: [UInt8]
        do { payload = try ImageWriter.bytes(of: state) } catch {
            preconditionFailure("every part of a state can be encoded: \(error)")
        }
        let file = try folder.open(Self.stateName, [.write, .create, .exclusive], permissions: 0o600)
        try file.writeAll(Self.header + plainBytes(of: fnv1a64(payload)) + payload)
    }

    // MARK: Reading

    /// Reads all but the pages.
    ///
    /// - Throws: `malformed`; `incompatible` when it is of another kernel, processor or format.
    func read() throws(CheckpointError) -> StoredState {
        let content: [UInt8]
        do throws(KernelError) {
            content = try folder.open(Self.stateName, .read).readToEnd()
        } catch {
            throw error.errno == .noSuchFile ? .malformed(reason: "its processes are not all there") : .kernel(error)
        }
        guard content.starts(with: Self.header) else {
            if content.starts(with: Self.header.dropLast(2)) {
                throw .incompatible(reason: "its processes were captured by another version of the engine")
            }
            throw .malformed(reason: "what should hold its processes does not")
        }
        let payload = content.dropFirst(Self.header.count + Self.checksumSize)
        let checksum = content.dropFirst(Self.header.count).prefix(Self.checksumSize)
        guard checksum.elementsEqual(plainBytes(of: fnv1a64(payload))) else {
            throw .malformed(reason: "the checksum of its processes does not fit")
        }
        let state: StoredState
        do { state = try ImageReader.value(StoredState.self, from: Array(payload)) } catch {
            throw .malformed(reason: "its processes cannot be read: \(error)")
        }
        try state.tree.host.requireSame(as: .current)
        return state
    }

    /// Opens the files with pages, in the order of `StoredMemory.segments`.
    func openSegments(of memory: StoredMemory) throws(CheckpointError) -> [Segment] {
        var segments: [Segment] = []
        for (index, name) in memory.segments.enumerated() {
            do throws(KernelError) {
                let file = try folder.open(try FilePath(validating: name), [.read, .noFollow])
                let size = UInt64(try file.status().size)
                let needed =
                    memory.processes.flatMap(\.runs).filter { $0.segment == index }
                    .map { $0.offset + $0.pages.length }.max() ?? 0
                if size < needed { throw KernelError("fstat", name, errno: .noData) }
                segments.append(Segment(file))
            } catch {
                switch error.errno {
                case .noSuchFile: throw .malformed(reason: "the memory of its processes is missing")
                case .noData: throw .malformed(reason: "the memory of its processes is cut short")
                default: throw .kernel(error)
                }
            }
        }
        return segments
    }

    /// A file with pages.
    final class Segment {
        let file: OwnedFD
        init(_ file: consuming OwnedFD) { self.file = file }
    }
}

extension PageRun {
    var range: Range<UInt64> { address..<(address + length) }
}
