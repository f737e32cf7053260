import Synchronization

/// A write to a process's standard input that somebody waits for.
final class PendingWrite: Sendable {
    private struct State {
        var outcome: Result<Int, InputFailure>?
        var waiter: CheckedContinuation<Result<Int, InputFailure>, Never>?
    }

    private let input: ManagedInput
    private let process: String
    private let write: Mutex<UInt64> = Mutex(0)
    private let state = Mutex(State())

    /// Queues the bytes.
    init(_ bytes: [UInt8], to input: ManagedInput, of process: String) {
        self.input = input
        self.process = process
        let id = input.write(bytes) { [self] in finish($0) }
        write.withLock { $0 = id }
    }

    private func finish(_ outcome: Result<Int, InputFailure>) {
        let waiter = state.withLock { state in
            state.outcome = outcome
            return state.waiter.take()
        }
        waiter?.resume(returning: outcome)
    }

    /// Waits until all is written; how many bytes that were. Once.
    @Sendable func wait() async throws(ProcessFailure) -> Int {
        let outcome = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let outcome = state.withLock { state in
                    if state.outcome == nil { state.waiter = continuation }
                    return state.outcome
                }
                if let outcome { continuation.resume(returning: outcome) }
            }
        } onCancel: {
            input.cancel(write.withLock { $0 })
        }
        switch outcome {
        case .success(let count): return count
        case .failure(.closed): throw .refused(.standardInputClosed(process))
        case .failure(.cancelled(let written)): throw .cancelled(written: written)
        case .failure(.sandboxGone): throw .sandboxGone
        case .failure(.tooMuch):
            throw .refused(
                .limitExceeded(
                    limit: "stdin", reason: "\(ManagedInput.queueLimit >> 20) MiB wait to be read by \(process) already"
                ))
        }
    }
}
