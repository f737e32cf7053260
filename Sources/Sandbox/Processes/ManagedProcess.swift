import Glibc
import Kernel
import Synchronization

/// What is told about a process.
public struct ProcessDescription: Sendable {
    public let id: String
    /// Inside the sandbox.
    public let pid: Int32
    public let name: String?
    public let program: SandboxCommand.Program
    public let startedAt: FileTime
    /// Nil while it runs.
    public let exit: ProcessExit?
    public let terminal: TerminalDimensions?
    public let outputCursor: Int
}

/// A process that the protocol knows by an id: one that `process/start` started, or one that a command has left behind.
final class ManagedProcess: Sendable {
    enum Origin: Sendable, Equatable {
        /// It is a child of isorun-init, and carries the mark.
        case started(ExecMark)
        /// Found running. Its number may be given to another process once it has ended; the time at which it started, in
        /// clock ticks after the machine did, tells them apart.
        case leftBehind(startTicks: UInt64)
    }

    /// How a wait ended.
    enum WaitOutcome: Sendable {
        case exited, timedOut, cancelled, sandboxGone
    }

    private struct Waiter: Sendable {
        let timer: Task<Void, Never>?
        let resume: @Sendable (WaitOutcome) -> Void

        func end(_ outcome: WaitOutcome) {
            timer?.cancel()
            resume(outcome)
        }
    }

    private struct State {
        var program: SandboxCommand.Program
        var exit: ProcessExit?
        var terminal: TerminalDimensions?
        /// Its sandbox is gone, or went on without it.
        var isGone = false
        var waiters: [UInt64: Waiter] = [:]
        var nextWaiter: UInt64 = 1

        mutating func takeWaiters() -> [Waiter] {
            defer { waiters = [:] }
            return Array(waiters.values)
        }
    }

    /// The `n` of its id `pn`.
    let number: Int
    let pid: Int32
    let name: String?
    let startedAt: FileTime
    let origin: Origin
    /// Nil when nothing of it leads to the engine: it was left behind.
    let output: ManagedOutput?
    /// Nil when its standard input was empty from the start.
    let input: ManagedInput?
    let hasTerminal: Bool
    private let state: Mutex<State>

    init(
        number: Int, pid: Int32, name: String?, program: SandboxCommand.Program, startedAt: FileTime, origin: Origin,
        output: ManagedOutput?, input: ManagedInput?, terminal: TerminalDimensions?, exit: ProcessExit? = nil
    ) {
        self.number = number
        self.pid = pid
        self.name = name
        self.startedAt = startedAt
        self.origin = origin
        self.output = output
        self.input = input
        hasTerminal = terminal != nil
        state = Mutex(State(program: program, exit: exit, terminal: terminal))
    }

    var id: String { "p\(number)" }
    /// Of a process that was started here.
    var mark: ExecMark? {
        if case .started(let mark) = origin { return mark }
        return nil
    }
    var exit: ProcessExit? { state.withLock { $0.exit } }
    var isRunning: Bool { state.withLock { $0.exit == nil } }
    /// It has exited, and everybody who could still print in its name has, too.
    var isFinished: Bool { !isRunning && output?.hasEnded ?? true }

    func describe() -> ProcessDescription {
        let (program, exit, terminal) = state.withLock { ($0.program, $0.exit, $0.terminal) }
        return ProcessDescription(
            id: id, pid: pid, name: name, program: program, startedAt: startedAt, exit: exit, terminal: terminal,
            outputCursor: output?.cursor ?? 0)
    }

    /// A process that was left behind runs another program by now, or shows another command line.
    func runs(_ program: SandboxCommand.Program) { state.withLock { $0.program = program } }

    // MARK: The end

    /// Notes its end.
    ///
    /// - Parameter tell: called before those who wait for the end learn of it.
    /// - Returns: false when its end was known before, or that of its sandbox.
    func exited(_ exit: ProcessExit, tell: () -> Void) -> Bool {
        guard
            let waiters = state.withLock({ state -> [Waiter]? in
                if state.exit != nil || state.isGone { return nil }
                state.exit = exit
                return state.takeWaiters()
            })
        else { return false }
        tell()
        for waiter in waiters { waiter.end(.exited) }
        return true
    }

    /// Its sandbox is gone, or goes on without it: output and input end, and whoever waits learns it.
    ///
    /// - Returns: whether it was still running as far as is known.
    func interrupt() -> Bool {
        input?.interrupt()
        output?.interrupt()
        let (waiters, wasRunning) = state.withLock { state in
            state.isGone = true
            return (state.takeWaiters(), state.exit == nil)
        }
        for waiter in waiters { waiter.end(.sandboxGone) }
        return wasRunning
    }

    /// Waits for its end. Cancelling the task ends the wait.
    func wait(for timeout: Duration?) async -> WaitOutcome {
        let id = state.withLock { state in
            defer { state.nextWaiter += 1 }
            return state.nextWaiter
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let outcome: WaitOutcome? = state.withLock { state in
                    if state.exit != nil { return .exited }
                    if state.isGone { return .sandboxGone }
                    if Task.isCancelled { return .cancelled }
                    let timer = timeout.map { timeout in
                        Task { [weak self] in
                            // A sleep that is cancelled belongs to a wait that is over.
                            if (try? await Task.sleep(for: timeout)) != nil { self?.endWait(id, .timedOut) }
                        }
                    }
                    state.waiters[id] = Waiter(timer: timer) { continuation.resume(returning: $0) }
                    return nil
                }
                if let outcome { continuation.resume(returning: outcome) }
            }
        } onCancel: {
            endWait(id, .cancelled)
        }
    }

    private func endWait(_ id: UInt64, _ outcome: WaitOutcome) {
        state.withLock { $0.waiters.removeValue(forKey: id) }?.end(outcome)
    }

    // MARK: Captures

    var record: ManagedProcessRecord {
        let (program, exit, terminal) = state.withLock { ($0.program, $0.exit, $0.terminal) }
        return ManagedProcessRecord(
            number: number, pid: pid, name: name, program: program, startedAt: startedAt, origin: origin,
            terminal: terminal, hasInput: input?.isOpen ?? false, output: output?.record, exit: exit)
    }

    /// What leads from the process to the engine and is open.
    func endIdentities() throws(KernelError) -> EngineEndIdentities {
        let output = output?.end(of: .standardOutput)
        if hasTerminal {
            guard let output else { return EngineEndIdentities() }
            return EngineEndIdentities(terminal: try PseudoTerminal.number(of: output.descriptor))
        }
        return EngineEndIdentities(
            input: try input?.end?.inode(), output: try output?.inode(),
            errorOutput: try self.output?.end(of: .standardError)?.inode())
    }

    // MARK: The terminal

    /// The engine's side of its terminal, once more; nil when it has none, or everybody has closed it.
    func duplicateTerminal() throws(KernelError) -> OwnedFD? {
        guard hasTerminal, let output = output?.end(of: .standardOutput) else { return nil }
        return try output.descriptor.duplicate()
    }

    /// Changes its terminal's size. One that nobody has open any more keeps the last.
    func resize(_ size: TerminalDimensions) throws(KernelError) {
        guard let end = input?.end else { return }
        try PseudoTerminal.resize(end.descriptor, to: size)
        state.withLock { $0.terminal = size }
    }

    /// What ends the input of whoever reads a line from its terminal.
    func endOfFileCharacter() throws(KernelError) -> UInt8? {
        guard let end = input?.end else { return nil }
        return try PseudoTerminal.endOfFileCharacter(of: end.descriptor)
    }
}
