import Glibc
import Kernel
import Store
import Synchronization

/// One sandbox: its record in the store, its configuration, and, while it runs, its incarnation.
///
/// Lifecycle operations (snapshot, rollback, hibernate, resume, destroy) must not overlap for one sandbox; the caller
/// orders them. Everything else may be called from any thread at any time.
public final class Sandbox: Sendable {
    struct State {
        var record: SandboxRecord
        var config: SandboxConfig
        var status: Sandbox.Status
        var incarnation: Incarnation?
        /// What became of the captured processes that it began with; nil when it began without.
        var runtimeReport: RuntimeReport?
        /// Why `status` is `error`.
        var failure: String?
        /// Of incarnations that have ended.
        var pastCPUMicroseconds: UInt64 = 0
        var pastPeakMemoryBytes: UInt64 = 0
        /// More than every number of a process that was given in them.
        var nextProcessNumber = 1
    }

    /// What `describe` shows.
    public struct Description: Sendable {
        public let id: String
        public let name: String?
        public let labels: [String: String]
        public let status: Sandbox.Status
        public let failure: String?
        public let image: String
        public let config: SandboxConfig
        public let createMs: Double
        public let createdAt: FileTime
        public let runtimeReport: RuntimeReport?
    }

    public let id: String
    public let createMs: Double
    let state: Mutex<State>
    let supervision: Supervision
    /// Held from a look at the record until its successor is in the store: requests that change different parts of it run at
    /// the same time.
    let changingRecord = Mutex(())
    let disk = DiskAccount()
    /// Held while its files are measured.
    let measuring = Mutex(())

    init(_ state: State, createMs: Double, _ supervision: Supervision) {
        self.supervision = supervision
        id = state.record.id.rawValue
        self.createMs = createMs
        self.state = Mutex(state)
    }

    public func describe() -> Description {
        state.withLock { state in
            Description(
                id: id, name: state.record.name, labels: state.record.labels, status: state.status,
                failure: state.failure, image: state.record.image.reference, config: state.config,
                createMs: createMs, createdAt: state.record.createdAt, runtimeReport: state.runtimeReport)
        }
    }

    public var status: Sandbox.Status { state.withLock { $0.status } }

    /// The incarnation of a running sandbox.
    ///
    /// - Throws: `destroyed`, `failed`, `wrongState`.
    func running() throws(SandboxError) -> Incarnation {
        let (status, incarnation, failure) = state.withLock { ($0.status, $0.incarnation, $0.failure) }
        switch status {
        case .running: if let incarnation { return incarnation }
        case .destroyed: throw .destroyed(id: id)
        case .error: throw .failed(id: id, reason: failure ?? "unknown")
        case .creating, .hibernated: break
        }
        throw .wrongState(id: id, status, allowed: [.running])
    }

    // MARK: Commands

    /// Runs a command to its end. When the calling task is cancelled, the command's whole tree is killed first.
    public func execute(
        _ command: SandboxCommand, _ options: ExecutionOptions
    ) async throws(ExecutionFailure) -> CommandResult {
        do throws(SandboxError) { try await waitForNetwork() } catch { throw .refused(error) }
        let under = Mutex<(execution: Execution?, isCancelled: Bool)>((nil, false))
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation {
                (continuation: CheckedContinuation<Result<CommandResult, ExecutionFailure>, Never>) in
                do throws(SandboxError) {
                    let execution = try start(command, options) { continuation.resume(returning: $0) }
                    let isCancelled = under.withLock { under in
                        under.execution = execution
                        return under.isCancelled
                    }
                    if isCancelled { execution.cancel() }
                } catch {
                    continuation.resume(returning: .failure(.refused(error)))
                }
            }
        } onCancel: {
            let execution = under.withLock { under in
                under.isCancelled = true
                return under.execution
            }
            execution?.cancel()
        }
        return try result.get()
    }

    /// Waits until the running sandbox has its outbound connections, if it has any: what starts finds them.
    ///
    /// - Throws: `networkUnavailable`; the next one tries again.
    func waitForNetwork() async throws(SandboxError) {
        guard let uplink = try running().uplink else { return }
        let failure = await withCheckedContinuation { continuation in
            uplink.whenReady { continuation.resume(returning: $0) }
        }
        if let failure { throw failure }
    }

    /// Looks up what a command needs, in the incarnation in which it is to run.
    func prepare(
        _ command: SandboxCommand
    ) throws(SandboxError) -> (incarnation: Incarnation, command: PreparedCommand) {
        let incarnation = try running()
        let config = state.withLock { $0.config }
        let userName = command.user ?? config.user
        var user = SandboxUser.root
        if userName != user.name {
            let root = try onKernel { () throws(KernelError) in try incarnation.root() }
            user = try SandboxUser.lookUp(userName, in: root)
        }
        var environment = [
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM": "xterm", "HOME": user.home,
        ]
        environment.merge(config.environment) { _, new in new }
        environment.merge(command.environment) { _, new in new }
        environment["ISORUN_SANDBOX_ID"] = id
        let prepared = PreparedCommand(
            arguments: command.arguments, candidates: command.candidates(path: environment["PATH"] ?? ""),
            directory: command.directory ?? config.directory, environment: environment, user: user, mark: ExecMark())
        return (incarnation, prepared)
    }

    // MARK: Usage

    /// What the sandbox has used and uses.
    public struct Usage: Sendable {
        public let cpuMs: Double
        public let memoryBytes: UInt64
        public let peakMemoryBytes: UInt64
        public let processes: Int
    }

    /// - Throws: `destroyed`, `failed`. A hibernated sandbox has its past usage.
    public func usage() throws(SandboxError) -> Usage {
        let (incarnation, pastCPU, pastPeak) = state.withLock {
            ($0.incarnation, $0.pastCPUMicroseconds, $0.pastPeakMemoryBytes)
        }
        guard let incarnation else {
            if status == .hibernated {
                return Usage(cpuMs: Double(pastCPU) / 1000, memoryBytes: 0, peakMemoryBytes: pastPeak, processes: 0)
            }
            _ = try running()
            preconditionFailure("a sandbox that runs has an incarnation")
        }
        let now = try onKernel { () throws(KernelError) in try incarnation.usage() }
        return Usage(
            cpuMs: Double(pastCPU + now.cpuMicroseconds) / 1000, memoryBytes: now.memoryBytes,
            peakMemoryBytes: max(pastPeak, now.peakMemoryBytes), processes: now.processes)
    }

    /// Keeps what an incarnation has used, before it is destroyed.
    func retire(_ incarnation: Incarnation) {
        state.withLock { $0.nextProcessNumber = incarnation.processTable.nextNumber }
        // An incarnation whose processes are gone already has nothing more to tell.
        guard let last = try? incarnation.usage() else { return }
        state.withLock { state in
            state.pastCPUMicroseconds += last.cpuMicroseconds
            state.pastPeakMemoryBytes = max(state.pastPeakMemoryBytes, last.peakMemoryBytes)
        }
    }
}

/// Runs system calls and hands their failure on as a sandbox's.
func onKernel<Value: ~Copyable>(_ body: () throws(KernelError) -> Value) throws(SandboxError) -> Value {
    do throws(KernelError) {
        return try body()
    } catch {
        throw .kernel(error)
    }
}

/// Asks the store and hands its failure on as a sandbox's.
func onStore<Value: ~Copyable>(_ body: () throws(StoreError) -> Value) throws(SandboxError) -> Value {
    do throws(StoreError) {
        return try body()
    } catch {
        throw .store(error)
    }
}
