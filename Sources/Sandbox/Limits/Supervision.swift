import Kernel
import Store

/// What holds the limits of an engine's sandboxes while they run.
final class Supervision: Sendable {
    let watch: LimitWatch
    /// Places for commands of all sandboxes.
    let executions: Slots
    let output: OutputBudget

    init(watch: LimitWatch, _ limits: EngineLimits) {
        self.watch = watch
        executions = Slots(limit: limits.execsMax)
        output = OutputBudget(bytes: limits.outputMiB << 20)
    }
}

extension Sandbox {
    /// Starts a command, if the engine and the sandbox may run one more.
    func start(
        _ command: SandboxCommand, _ options: ExecutionOptions, completion: @escaping Execution.Completion
    ) throws(SandboxError) -> Execution {
        let (incarnation, prepared) = try prepare(command)
        supervision.watch.noticeWork()
        let limit = state.withLock { $0.config.limits.execsMax }
        if !supervision.executions.take() {
            throw .limitExceeded(limit: "limits.execsMax", reason: "the engine runs as many commands as it may")
        }
        do throws(SandboxError) {
            return try incarnation.execute(prepared, options, atMost: limit, accounting: accounting(incarnation)) {
                [supervision] result in
                supervision.executions.giveBack()
                completion(result)
            }
        } catch {
            supervision.executions.giveBack()
            throw error
        }
    }

    private func accounting(_ incarnation: Incarnation) -> Execution.Accounting {
        let before = incarnation.limitCounts()
        return Execution.Accounting(
            output: supervision.output,
            reached: { [self] in
                var reached = incarnation.limitCounts().risen(since: before)
                if !reached.isEmpty { supervision.watch.tell(self, incarnation) }
                if disk.isFull { reached.insert(.disk) }
                return reached
            },
            wantsInspection: { [self] in disk.isFull || supervision.watch.mayBeFull(self) },
            inspect: { [self] in
                // What cannot be measured now is looked at again by the watch.
                try? supervision.watch.measure(self)
            })
    }

    // MARK: Files that the engine writes

    /// - Throws: `diskFull` when so many more bytes are more than the sandbox may have.
    public func requireSpace(for count: Int64) throws(SandboxError) {
        let limit = state.withLock { $0.config.limits }
        if supervision.watch.mayBeFull(self) || !disk.holds(count, limit: limit.diskBytes) {
            try supervision.watch.measure(self)
        }
        if !disk.holds(count, limit: limit.diskBytes) { throw .diskFull(id: id, limitMiB: limit.diskMiB) }
    }

    /// As `FileAccess.copyIn`; ends with `diskFull` when the sandbox comes to its limit.
    public func copyIn(
        _ hostPath: String, to path: String, excluding exclude: IgnoreRules = IgnoreRules([]),
        isCancelled: @escaping @Sendable () -> Bool = { false }
    ) throws(SandboxError) -> TreeCopySummary {
        try requireSpace(for: 1)
        disk.beginWriting()
        defer { disk.endWriting() }
        supervision.watch.noticeWork()
        let files = try files()
        do throws(SandboxError) {
            let summary = try files.copyIn(
                hostPath, to: path, excluding: exclude, isCancelled: { [disk] in isCancelled() || disk.isFull })
            // Blocks that are shared with the host's files do not show in the free space.
            disk.forget()
            return summary
        } catch {
            guard case .store(.cancelled) = error, disk.isFull, !isCancelled() else { throw error }
            throw .diskFull(id: id, limitMiB: state.withLock { $0.config.limits.diskMiB })
        }
    }
}
