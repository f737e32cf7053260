import Kernel
import Synchronization

/// The program that templates are made of.
public final class TemplateProgram: Sendable {
    let executable: OwnedFD

    /// - Parameter image: of a static program that only waits.
    public init(image: [UInt8]) throws(KernelError) {
        executable = try MemoryExecutable.make(named: "isorun-template", bytes: image)
    }
}

/// A process in the engine's own namespaces that holds the memory of a captured process and never runs. Forks of it, in any number
/// of sandboxes, share that memory copy-on-write.
final class Template: Sendable {
    let process: WaitingProcess
    let channel: DescriptorChannel
    let site: CallSite
    /// The pages that it holds.
    let runs: [PageRun]
    /// Held while a thread traces it.
    let turn = Mutex(())

    init(process: WaitingProcess, channel: DescriptorChannel, site: CallSite, runs: [PageRun]) {
        self.process = process
        self.channel = channel
        self.site = site
        self.runs = runs
    }

    /// Where the content of pages comes from.
    enum Source {
        /// A process that stands still, in the engine's numbering.
        case process(Int32)
        /// Files, by their descriptors, and where in them every run is.
        case files([Int32], [StoredRun])
    }

    /// Builds a template. Belongs to a thread of its own, as everything that traces.
    ///
    /// - Parameters:
    ///   - files: those that are mapped.
    ///   - neighbours: layouts that processes forked from this one are to get, so that the call site is in none's way.
    static func build(
        _ image: ProcessImage, _ runs: [PageRun], from source: Source, program: TemplateProgram,
        files mappedFiles: MappedFiles, neighbours: [MemoryLayoutImage]
    ) throws(KernelError) -> Template {
        var made: WaitingProcess?
        let socket = try DescriptorSocket.connected { peer throws(KernelError) in
            made = try WaitingProcess(executable: program.executable, passing: peer)
        }
        guard let process = made else { preconditionFailure("a clone that did not throw has made a process") }
        let channel = DescriptorChannel(socket)
        guard let thread = try TracedThread(seizing: process.pid, patience: .seconds(5)) else {
            throw KernelError("ptrace(SEIZE)", "a template", errno: .noSuchProcess)
        }
        try FaultPoint.templateBegun.pass()
        try thread.setSignalMask(ProcessCapture.quietMask)
        let remote = try RemoteProcess(process.pid)
        let place = try AddressSpace.freePlace(in: process.pid, and: neighbours + [image.memory])
        try remote.installSite(on: thread, at: place)
        guard let site = remote.site else { preconditionFailure("a call site was just installed") }

        let space = AddressSpace(process: remote, thread: thread, layout: image.memory)
        try space.clear()
        let files = try passFiles(of: image.memory, remote, thread, channel, mappedFiles)
        try space.map(image.memory.areas, files: files)
        try space.open(image.memory.areas.filter { $0.protection == 0 && $0.holdsAny(of: runs) })
        try space.advise(image.memory.lastingAreas, dense: denseAreas(image.memory, runs))
        try fill(remote, thread, runs, from: source, channel)
        try FaultPoint.templateFilled.pass()
        try space.protect(image.memory.areas)
        try space.describe()
        try space.setSignalActions(image.signalActions)
        // Only the socket stays open.
        try remote.call(.close_range, [DescriptorChannel.templateNumber + 1, UInt64(UInt32.max), 0], on: thread)
        try park(thread, at: site)
        return Template(process: process, channel: channel, site: site, runs: runs)
    }

    /// Leaves the thread asleep, with every signal blocked.
    static func park(_ thread: TracedThread, at site: CallSite) throws(KernelError) {
        var registers = try thread.registers()
        registers.rip = site.parkingPlace
        registers.orig_rax = UInt64.max
        try thread.set(registers)
        thread.letGo()
    }

    static func passFiles(
        of layout: MemoryLayoutImage, _ remote: RemoteProcess, _ thread: TracedThread, _ channel: DescriptorChannel,
        _ files: MappedFiles
    ) throws(KernelError) -> [Int: Int32] {
        var calls = CallBatch(remote, on: thread)
        let numbers = try channel.pass(
            layout.lastingPaths.map(files.descriptor), in: &calls, through: DescriptorChannel.templateNumber)
        return Dictionary(uniqueKeysWithValues: zip(layout.lastingFiles, numbers))
    }

    /// Large areas most of which has content.
    private static func denseAreas(_ layout: MemoryLayoutImage, _ runs: [PageRun]) -> Set<UInt64> {
        let large: UInt64 = 4 << 20
        var dense: Set<UInt64> = []
        let filled = PageSet(runs)
        for area in layout.areas where area.content == .anonymous && area.size >= large {
            if area.advice.contains(.noHugePages) || area.advice.contains(.growsDown) { continue }
            let content = filled.parts(within: area.range).reduce(0) { $0 + $1.length }
            if content * 4 >= area.size * 3 { dense.insert(area.start) }
        }
        return dense
    }

    // MARK: Content

    static func fill(
        _ remote: RemoteProcess, _ thread: TracedThread, _ runs: [PageRun], from source: Source,
        _ channel: DescriptorChannel
    ) throws(KernelError) {
        switch source {
        case .process(let pid):
            // Not by process_vm_readv(2), which pins pages: one that a process shares with others since a fork is copied for that first
            // (mm/gup.c, gup_must_unshare), and the source's sandbox would have all its memory twice.
            let memory = try OwnedFD.open(FilePath(verbatim: "/proc/\(pid)/mem"), .read)
            let pages = runs.map { StoredRun(pages: $0, segment: 0, offset: $0.address) }
            try fill(remote, thread, runs, from: .files([memory.rawValue], pages), channel)
        case .files(let descriptors, let stored):
            var calls = CallBatch(remote, on: thread)
            let numbers = try channel.pass(descriptors, in: &calls, through: DescriptorChannel.templateNumber)
            try PageTransfer.read(stored, from: numbers, by: remote, on: thread)
            for number in numbers { try calls.add(.close, [UInt64(number)]) }
            try calls.finish()
        }
    }

    /// Has a held template make its next processes in another one's pid namespace, which must be the template's own or below it.
    ///
    /// The result of the first call that is added is a handle of the other one, open in the template.
    static func makeProcesses(inNamespaceOf other: Int32, _ calls: inout CallBatch) throws(KernelError) {
        let pidNamespace: UInt64 = 0x2000_0000
        try calls.add(.pidfd_open, [UInt64(other), 0], handover: .argument(0, callsAhead: 1))
        try calls.add(.setns, [0, pidNamespace])
    }

    /// Writes pages that the template holds into a held process, where they must be writable.
    func fill(_ runs: [PageRun], of process: Int32) throws(KernelError) {
        try whileHeld { remote, thread throws(KernelError) in
            try PageTransfer.write(runs, to: process, by: remote, on: thread)
        }
    }

    /// Holds the template for calls in it; on failure too it sleeps on.
    func whileHeld<Value>(
        _ body: (RemoteProcess, TracedThread) throws(KernelError) -> Value
    ) throws(KernelError) -> Value {
        try turn.withLock { _ throws(KernelError) in
            guard let thread = try TracedThread(seizing: process.pid, patience: .seconds(5)) else {
                throw KernelError("ptrace(SEIZE)", "a template has ended", errno: .noSuchProcess)
            }
            defer { thread.letGo() }
            let remote = try RemoteProcess(process.pid)
            remote.site = site
            return try body(remote, thread)
        }
    }
}

/// Moves the content of pages, by calls that a held process makes.
enum PageTransfer {
    /// Of one call; the kernel moves at most 2 GiB less a page.
    private static let byteLimit: UInt64 = 1 << 30
    private static let vectorLimit = 1024  // UIO_MAXIOV

    /// From the calling process to another one.
    ///
    /// - Parameter distance: how far behind its address a page is in the other one, modulo 2^64.
    static func write(
        _ runs: [PageRun], to other: Int32, distance: UInt64 = 0, by remote: RemoteProcess, on thread: TracedThread
    ) throws(KernelError) {
        var rest = split(runs)[...]
        while !rest.isEmpty {
            var part: [PageRun] = []
            var bytes: UInt64 = 0
            while let run = rest.first, part.count < vectorLimit, bytes + run.length <= byteLimit {
                part.append(run)
                bytes += run.length
                rest = rest.dropFirst()
            }
            var batch = CallBatch(remote, on: thread)
            let vectors = try batch.place(
                [0, distance].map { distance in
                    part.flatMap { plainBytes(of: $0.address &+ distance) + plainBytes(of: $0.length) }
                })
            let count = UInt64(part.count)
            try batch.add(.process_vm_writev, [UInt64(other), vectors[0], count, vectors[1], count, 0])
            let copied = try batch.finish()[0]
            if copied != Int64(bytes) {
                throw KernelError("process_vm_writev", "\(copied) of \(bytes) bytes of \(other)", errno: .invalid)
            }
        }
    }

    /// From files to where the pages belong in the calling process.
    static func read(
        _ runs: [StoredRun], from descriptors: [Int32], by remote: RemoteProcess, on thread: TracedThread
    ) throws(KernelError) {
        var batch = CallBatch(remote, on: thread)
        var sizes: [UInt64] = []
        for run in runs {
            var offset = run.offset
            for part in split([run.pages]) {
                try batch.add(.pread64, [UInt64(descriptors[run.segment]), part.address, part.length, offset])
                offset += part.length
                sizes.append(part.length)
            }
        }
        for (size, count) in zip(sizes, try batch.finish()) where count != Int64(size) {
            throw KernelError("pread64", "\(count) of \(size) bytes of captured memory", errno: .noData)
        }
    }

    private static func split(_ runs: [PageRun]) -> [PageRun] {
        runs.flatMap { run in
            stride(from: 0, to: run.length, by: Int(byteLimit)).map { start in
                PageRun(address: run.address + start, length: min(byteLimit, run.length - start))
            }
        }
    }
}
