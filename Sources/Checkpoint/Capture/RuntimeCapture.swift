import Kernel

/// What a capture would keep, and what it keeps.
public struct RuntimeExplanation: Sendable {
    public struct Process: Sendable {
        public let pid: Int32
        public let command: String
        /// Why it cannot be kept; nil when it is.
        public let lost: String?
        /// What of it begins anew.
        public let resets: [String]
    }

    public let processes: [Process]

    public var kept: Int { processes.count { $0.lost == nil } }
}

/// What a capture leaves: the state, and how long the sandbox stood still for it.
public struct CapturedRuntime<Value: Sendable>: Sendable {
    public let state: RuntimeState
    public let explanation: RuntimeExplanation
    /// What was done while everything stood still.
    public let value: Value
    public let pauseMs: Double
}

/// Captures the processes of a sandbox.
public enum RuntimeCapture {
    /// RLIMIT_LOCKS of processes inside the sandbox that are none of its own: the copies of a capture's memory.
    public static let copyMark = FrozenMemory.mark

    /// Says what a capture would keep, without touching anything. The processes stand still for as long as that takes.
    public static func explain(_ request: CaptureRequest) throws(CheckpointError) -> RuntimeExplanation {
        try Thread.run(name: "explain") { () throws(CheckpointError) in
            try TreeCapture(request).explanation
        }
    }

    /// Runs `body` while every process stands still, for files that shall be of one moment; how long they stood, in milliseconds.
    public static func whileHeld<Value: Sendable, Failure: Error>(
        _ initPid: Int32, _ waits: KnownWaits, _ body: @escaping @Sendable () throws(Failure) -> Value
    ) throws(Failure) -> (value: Value, pauseMs: Double) where Failure: FromKernelError {
        try holding(initPid, waits) { (_: HeldTree) throws(Failure) in try body() }
    }

    /// As the other one; `body` gets the files that the processes share, or nil when it cannot be told what they write.
    public static func whileHeld<Value: Sendable, Failure: Error>(
        _ initPid: Int32, _ waits: KnownWaits, _ body: @escaping @Sendable (SharedFiles?) throws(Failure) -> Value
    ) throws(Failure) -> (value: Value, pauseMs: Double) where Failure: FromKernelError {
        try holding(initPid, waits) { (held: HeldTree) throws(Failure) in
            let files: SharedFiles?
            do throws(KernelError) { files = try SharedFiles(of: held) } catch { throw Failure(error) }
            return try body(files)
        }
    }

    private static func holding<Value: Sendable, Failure: Error>(
        _ initPid: Int32, _ waits: KnownWaits, _ body: @escaping @Sendable (HeldTree) throws(Failure) -> Value
    ) throws(Failure) -> (value: Value, pauseMs: Double) where Failure: FromKernelError {
        try Thread.run(name: "capture") { () throws(Failure) in
            let begun = ContinuousClock.now
            let held: HeldTree
            do throws(KernelError) {
                held = try HeldTree(descendantsOf: initPid, waits)
            } catch {
                throw Failure(error)
            }
            let value = try body(held)
            held.letGo()
            return (value, (ContinuousClock.now - begun).inMilliseconds)
        }
    }

    /// Captures all processes to the disk and calls `body` while they still stand, for it to end them; on failure they run on.
    ///
    /// - Parameter folder: an empty one, which gets the state.
    public static func takeAway<Failure: Error>(
        _ request: CaptureRequest, to folder: StateFolder,
        _ body: @escaping @Sendable () throws(Failure) -> Void
    ) throws(Failure) where Failure: FromCheckpointError & FromKernelError {
        try Thread.run(name: "capture") { () throws(Failure) in
            let tree = try translating(to: Failure.self) { () throws(CheckpointError) in
                let tree = try TreeCapture(request)
                try tree.requireAll()
                try tree.freeze()
                _ = try folder.write(try tree.finish())
                return tree
            }
            try body()
            tree.letGo()
        }
    }

    /// Captures processes and lets them run on; on failure too they do.
    ///
    /// - Parameters:
    ///   - requiresAll: whether a process that cannot be kept makes the capture fail, before anything is touched.
    ///   - folder: an empty one, which gets the state in the background; nil to keep it in memory only.
    ///   - history: what the sandbox's captures leave for the next ones.
    ///   - isIndependent: called once when the sandbox may end without harm to the capture, or the capture has failed.
    ///   - whileHeld: called while everything stands still.
    /// - Returns: once everything runs again. The state's memory moves into templates in the background.
    public static func perform<Value: Sendable, Failure: Error>(
        _ request: CaptureRequest, requiresAll: Bool, program: TemplateProgram, storingIn folder: StateFolder?,
        history: CaptureHistory, isIndependent: @escaping @Sendable () -> Void,
        whileHeld: @escaping @Sendable () throws(Failure) -> Value
    ) throws(Failure) -> CapturedRuntime<Value> where Failure: FromCheckpointError {
        let outcome = Promise<Result<CapturedRuntime<Value>, Failure>>()
        do throws(KernelError) {
            // The thread outlives the answer: it holds the frozen copies that templates are made from.
            try Thread.start(name: "capture") {
                do throws(Failure) {
                    let state = try capture(
                        request, requiresAll, program, isStored: folder != nil, history, whileHeld
                    ) { outcome.fulfil(.success($0)) }
                    isIndependent()
                    if let folder { state.store(in: folder) }
                } catch {
                    isIndependent()
                    outcome.fulfil(.failure(error))
                }
            }
        } catch {
            isIndependent()
            throw Failure(.kernel(error))
        }
        return try outcome.wait().get()
    }

    /// - Returns: when the templates are there, or have failed.
    private static func capture<Value: Sendable, Failure: Error>(
        _ request: CaptureRequest, _ requiresAll: Bool, _ program: TemplateProgram, isStored: Bool,
        _ history: CaptureHistory, _ whileHeld: () throws(Failure) -> Value, _ answer: (CapturedRuntime<Value>) -> Void
    ) throws(Failure) -> RuntimeState where Failure: FromCheckpointError {
        let begun = ContinuousClock.now
        let tree = try translating(to: Failure.self) { () throws(CheckpointError) in
            let tree = try TreeCapture(request, after: history.take())
            if requiresAll { try tree.requireAll() }
            try tree.freeze()
            return tree
        }
        let value = try whileHeld()
        try translating(to: Failure.self) { () throws(CheckpointError) in
            do throws(KernelError) { try FaultPoint.captureFilesCopied.pass() } catch { throw .kernel(error) }
        }
        tree.letGo()
        let pause = ContinuousClock.now - begun
        let frozen = try translating(to: Failure.self) { () throws(CheckpointError) in try tree.finish() }
        let former = tree.formerCapture()
        let plans = try translating(to: Failure.self) { () throws(CheckpointError) in
            do throws(KernelError) { return try frozen.plans(after: former) } catch { throw .kernel(error) }
        }
        let state = RuntimeState(
            frozen.image, memoryBytes: frozen.size, isStored: isStored,
            heritage: former?.heritage(adding: plans.mapValues { PageSet($0.fresh) }), program)
        history.note(tree.moment(of: state))
        answer(
            CapturedRuntime(
                state: state, explanation: tree.explanation, value: value, pauseMs: pause.inMilliseconds))
        state.build { () throws(KernelError) in try TemplateSet.build(frozen, plans, program) }
        return state
    }
}

/// An error type that can say that a capture or restore failed.
public protocol FromCheckpointError: Error {
    init(_ error: CheckpointError)
}

extension CheckpointError: FromCheckpointError {
    public init(_ error: CheckpointError) { self = error }
}

/// Hands a failure on as whoever asked for the capture wants it.
private func translating<Value, Failure: FromCheckpointError>(
    to failure: Failure.Type, _ body: () throws(CheckpointError) -> Value
) throws(Failure) -> Value {
    do throws(CheckpointError) {
        return try body()
    } catch {
        throw Failure(error)
    }
}

extension Duration {
    var inMilliseconds: Double { Double(components.attoseconds) / 1e15 + Double(components.seconds) * 1e3 }
}
