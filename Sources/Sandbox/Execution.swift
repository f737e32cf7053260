import Glibc
import Kernel
import Synchronization

/// How a command is to be run and watched.
public struct ExecutionOptions: Sendable {
    /// Standard input; nil: there is none (`/dev/null`).
    public var input: [UInt8]?
    /// After this the command's whole tree is killed.
    public var timeout: Duration?
    /// How many bytes of each of output and error output the result may hold; what is beyond is read and dropped.
    public var outputLimit: Int
    /// Gets all output while it is printed.
    public var sink: (any OutputSink)?

    public init(
        input: [UInt8]? = nil, timeout: Duration? = nil, outputLimit: Int, sink: (any OutputSink)? = nil
    ) {
        self.input = input
        self.timeout = timeout
        self.outputLimit = outputLimit
        self.sink = sink
    }
}

/// What a command did.
public struct CommandResult: Sendable {
    public let status: ExitStatus
    public let output: [UInt8]
    public let errorOutput: [UInt8]
    public let durationMs: Double
    public let timedOut: Bool
    /// Whether more was printed than `output` and `errorOutput` hold.
    public let truncated: Bool
    /// The limits that the sandbox ran into meanwhile.
    public let limits: Set<SandboxLimit>
}

/// Why a command has no result.
public enum ExecutionFailure: Error {
    case refused(SandboxError)
    /// Cancelled, and all its processes are gone; what it had printed.
    case cancelled(output: [UInt8], errorOutput: [UInt8])
    /// The sandbox was destroyed or rolled back, or failed, under the command; what it had printed.
    case sandboxGone(output: [UInt8], errorOutput: [UInt8])
}

/// One command under way: collects its output, feeds its input, and ends when its process was reaped.
///
/// The result comes as soon as the process has been reaped and what it left in the pipes is read: a background job that
/// keeps them open does not hold it back. Of a command that is killed, nothing runs any more when its result comes.
final class Execution: Sendable {
    typealias Completion = @Sendable (Result<CommandResult, ExecutionFailure>) -> Void

    private enum Ending {
        case exited(InitChannel.Exit)
        case sandboxGone
    }

    private struct State {
        var ending: Ending?
        var isCancelled = false
        var hasTimedOut = false
        /// Threads that kill the command's tree, or look at what it has done, right now.
        var pending = 0
        var completion: Completion?
        var input: InputFeed?
        var timer: Task<Void, Never>?
        /// Streams that still have something to say.
        var open: Set<CommandStream> = [.standardOutput, .standardError]

        /// How the command ended, once nothing is to be waited for any more.
        var ripe: Ending? { open.isEmpty && pending == 0 ? ending : nil }
    }

    let mark: ExecMark
    private let collector: OutputCollector
    private let output: OutputPipe
    private let errorOutput: OutputPipe
    private let loop: EventLoop
    private let begun: ContinuousClock.Instant
    /// Kills the command's whole tree; blocks.
    private let killTree: @Sendable () -> Void
    private let accounting: Accounting
    private let state: Mutex<State>

    /// What tells a command from its sandbox's other work, as far as limits go.
    struct Accounting: Sendable {
        /// Memory for its output.
        let output: OutputBudget
        /// The limits that were run into since the command began.
        let reached: @Sendable () -> Set<SandboxLimit>
        /// Whether `inspect` may find more of them.
        let wantsInspection: @Sendable () -> Bool
        /// Blocks.
        let inspect: @Sendable () -> Void
    }

    /// - Parameters:
    ///   - output, errorOutput: the read ends of the command's pipes.
    ///   - completion: called once, on the event loop's thread.
    init(
        mark: ExecMark, output: consuming OwnedFD, errorOutput: consuming OwnedFD, options: ExecutionOptions,
        accounting: Accounting, loop: EventLoop, killTree: @escaping @Sendable () -> Void,
        completion: @escaping Completion
    ) throws(KernelError) {
        self.mark = mark
        self.accounting = accounting
        collector = OutputCollector(limit: options.outputLimit, budget: accounting.output)
        self.output = try OutputPipe(
            output, .standardOutput, collector: collector, sink: options.sink, loop: loop)
        self.errorOutput = try OutputPipe(
            errorOutput, .standardError, collector: collector, sink: options.sink, loop: loop)
        self.killTree = killTree
        self.loop = loop
        begun = .now
        state = Mutex(State(completion: completion))
    }

    /// The process runs: reads its output, feeds its input, starts its clock. On the event loop's thread.
    func started(input: InputFeed?, timeout: Duration?) {
        let isCancelled = state.withLock { state in
            state.input = input
            if let timeout { state.timer = Task { [weak self] in await self?.expire(after: timeout) } }
            return state.isCancelled
        }
        do throws(KernelError) {
            try output.begin { [weak self] in self?.ended(.standardOutput) }
            try errorOutput.begin { [weak self] in self?.ended(.standardError) }
        } catch {
            // Output that cannot be watched (no memory in the kernel) counts as closed.
            ended(.standardOutput)
            ended(.standardError)
        }
        if isCancelled { killInBackground() }
    }

    /// There is no process.
    func refused(_ error: SandboxError) {
        takeCompletion()?(.failure(.refused(error)))
    }

    /// The process was reaped; its output ends with what is in the pipes now. On the event loop's thread.
    func exited(_ exit: InitChannel.Exit) {
        if accounting.wantsInspection() { inBackground("inspection", accounting.inspect) }
        end(.exited(exit))
    }

    /// The whole sandbox is gone. On the event loop's thread.
    func sandboxGone() { end(.sandboxGone) }

    /// Kills the command's whole tree; the completion comes when its process was reaped.
    func cancel() {
        state.withLock { $0.isCancelled = true }
        killInBackground()
    }

    private func expire(after timeout: Duration) async {
        do {
            try await Task.sleep(for: timeout)
        } catch {
            return  // The command has ended before.
        }
        state.withLock { $0.hasTimedOut = true }
        killInBackground()
    }

    private func killInBackground() { inBackground("kill", killTree) }

    /// Runs on a thread of its own what the result has to wait for.
    private func inBackground(_ name: String, _ body: @escaping @Sendable () -> Void) {
        state.withLock { $0.pending += 1 }
        let work: @Sendable () -> Void = { [self] in
            body()
            loop.post { [self] in
                state.withLock { $0.pending -= 1 }
                completeIfRipe()
            }
        }
        do throws(KernelError) {
            try Thread.start(name: name, work)
        } catch {
            work()
        }
    }

    private func end(_ ending: Ending) {
        let isFirst = state.withLock { state in
            if state.ending != nil { return false }
            state.ending = ending
            return true
        }
        if !isFirst { return }
        output.finish()
        errorOutput.finish()
        // Both streams may have been closed before the process ended.
        completeIfRipe()
    }

    private func ended(_ stream: CommandStream) {
        state.withLock { _ = $0.open.remove(stream) }
        completeIfRipe()
    }

    private func completeIfRipe() {
        if let ending = state.withLock({ $0.ripe }) { complete(ending) }
    }

    private func complete(_ ending: Ending) {
        let (isCancelled, hasTimedOut) = state.withLock { ($0.isCancelled, $0.hasTimedOut) }
        guard let completion = takeCompletion() else { return }
        let collected = collector.collected()
        switch ending {
        case .sandboxGone:
            completion(.failure(.sandboxGone(output: collected.output, errorOutput: collected.errorOutput)))
        case .exited where isCancelled:
            completion(.failure(.cancelled(output: collected.output, errorOutput: collected.errorOutput)))
        case .exited(let exit):
            completion(
                .success(
                    CommandResult(
                        status: exit.status, output: collected.output, errorOutput: collected.errorOutput,
                        durationMs: (ContinuousClock.now - begun).milliseconds, timedOut: hasTimedOut,
                        truncated: collected.truncated, limits: accounting.reached())))
        }
    }

    private func takeCompletion() -> Completion? {
        let (completion, input, timer) = state.withLock { ($0.completion.take(), $0.input.take(), $0.timer.take()) }
        timer?.cancel()
        input?.close()
        output.close()
        errorOutput.close()
        return completion
    }
}

extension Duration {
    /// In milliseconds, with a fraction.
    public var milliseconds: Double {
        Double(components.seconds) * 1e3 + Double(components.attoseconds) / 1e15
    }
}
