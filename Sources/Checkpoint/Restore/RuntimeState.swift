import Kernel
import Synchronization

/// The captured processes of a sandbox, to be restored any number of times.
///
/// Their memory is in templates, on the disk, or in both. What is on the disk only moves into templates with the first restore.
public final class RuntimeState: Sendable {
    typealias Pages = Result<[Int32: ProcessPages], CheckpointError>

    /// The state on the disk.
    struct Stored: Sendable {
        let folder: StateFolder
        let memory: StoredMemory
    }

    let tree: TreeImage
    private let program: TemplateProgram
    /// nil while nobody builds templates or has built them.
    private let pages: Mutex<Promise<Pages>?>
    /// nil when it never will be on the disk.
    private let stored: Promise<Result<Stored, CheckpointError>>?
    /// An earlier state of the same processes that most of the memory can be taken from when this one is stored.
    private let heritage: Heritage?
    /// The private memory of all processes, counted for each of those that share pages.
    public let memoryBytes: UInt64

    /// A state that is just being captured: `build` follows, and then `store` if that is asked for.
    init(
        _ tree: TreeImage, memoryBytes: UInt64, isStored: Bool, heritage: Heritage?, _ program: TemplateProgram
    ) {
        self.tree = tree
        self.heritage = heritage
        self.memoryBytes = memoryBytes
        self.program = program
        pages = Mutex(Promise())
        stored = isStored ? Promise() : nil
    }

    /// A state that was stored before, perhaps by another engine.
    ///
    /// - Throws: `malformed`; `incompatible` when this machine cannot run it.
    public init(readFrom folder: StateFolder, _ program: TemplateProgram) throws(CheckpointError) {
        let state = try folder.read()
        tree = state.tree
        heritage = nil
        self.program = program
        memoryBytes = state.memory.bytes
        pages = Mutex(nil)
        let stored = Promise<Result<Stored, CheckpointError>>()
        stored.fulfil(.success(Stored(folder: folder, memory: state.memory)))
        self.stored = stored
    }

    /// How many processes are kept, zombies left out.
    public var processCount: Int { tree.processes.count { $0.zombieStatus == nil } }

    /// What whoever asked for the capture keeps with it.
    public var companion: [UInt8] { tree.companion.bytes }

    // MARK: Capture

    /// Builds the templates that `init` has promised.
    func build(_ body: () throws(KernelError) -> [Int32: ProcessPages]) {
        do throws(KernelError) {
            settle(.success(try body()))
        } catch {
            settle(.failure(.kernel(error)))
        }
    }

    /// Stores the state that `init` has promised to store, from the templates. These may be used meanwhile.
    func store(in folder: StateFolder) {
        do throws(CheckpointError) {
            guard let promise = pages.withLock({ $0 }) else { preconditionFailure("templates come before files") }
            let memory = try folder.write(tree, try promise.wait().get(), heritage: heritage)
            place().fulfil(.success(Stored(folder: folder, memory: memory)))
        } catch {
            place().fulfil(.failure(error))
        }
    }

    /// The templates, when they are in memory. Waits for those that are being built.
    var presentPages: [Int32: ProcessPages]? {
        guard let promise = pages.withLock({ $0 }) else { return nil }
        return try? promise.wait().get()
    }

    /// What a later state of the same processes can take from the disk.
    func heritage(adding fresh: [Int32: PageSet]) -> Heritage? {
        if let stored { return Heritage(stored, fresh: fresh) }
        return heritage?.adding(fresh)
    }

    private func settle(_ result: Pages) { pages.withLock { $0?.fulfil(result) } }

    /// Waits until the state is complete in its folder, which has yet to be made to outlive a power cut.
    ///
    /// The state must be one that is stored.
    public func waitUntilStored() throws(CheckpointError) { _ = try place().wait().get() }

    private func place() -> Promise<Result<Stored, CheckpointError>> {
        guard let stored else { preconditionFailure("this state is in memory only") }
        return stored
    }

    // MARK: Restore

    /// Brings the processes to life in a sandbox whose files are those of the capture. They run when the call returns.
    ///
    /// On failure none of them has run, and none is left.
    /// - Parameter beforeRunning: called on another thread when all is restored and nothing of it runs yet.
    public func restore(
        into target: RestoreTarget,
        beforeRunning: @escaping @Sendable (RestoredRuntime) throws(KernelError) -> Void
    ) throws(CheckpointError) {
        try Thread.run(name: "restore") { [self] () throws(CheckpointError) in
            let pages = try templates(target)
            do throws(KernelError) {
                let tracked = try TreeRestore(tree, pages, target).perform(beforeRunning)
                target.history.note(CaptureHistory.Moment(state: self, tracked: tracked))
            } catch {
                throw .kernel(error)
            }
        }
    }

    /// The templates; the first who asks builds them from the disk when there are none. Belongs to a thread of its own.
    private func templates(_ target: RestoreTarget) throws(CheckpointError) -> [Int32: ProcessPages] {
        let (promise, isBuilder) = pages.withLock { promise in
            if let promise { return (promise, false) }
            let fresh = Promise<Pages>()
            promise = fresh
            return (fresh, true)
        }
        if isBuilder {
            do throws(CheckpointError) {
                settle(.success(try buildFromDisk(target)))
            } catch {
                settle(.failure(error))
                // The next one may try again.
                pages.withLock { $0 = nil }
                throw error
            }
        }
        return try promise.wait().get()
    }

    private func buildFromDisk(_ target: RestoreTarget) throws(CheckpointError) -> [Int32: ProcessPages] {
        let stored = try place().wait().get()
        let segments = try stored.folder.openSegments(of: stored.memory)
        target.waitForRoot()
        do throws(KernelError) {
            let root = try OwnedFD.open(FilePath(verbatim: "/proc/\(target.initPid)/root"), [.directory, .pathOnly])
            let files = try MappedFiles(tree.processes.flatMap(\.memory.lastingPaths), in: root)
            return try TemplateSet.build(tree, stored.memory, segments, files, program)
        } catch {
            throw .kernel(error)
        }
    }
}

/// What a restore gives to whoever asked for it.
public struct RestoredRuntime: Sendable {
    /// The engine's ends of pipes and terminals, by the names that the capture was given.
    public let engineEnds: [String: RestoredEnd]
    /// From the processes' numbers inside to the engine's.
    public let pids: [Int32: Int32]
}
