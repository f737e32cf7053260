import Dispatch

/// Where handlers do what blocks: the threads of Swift's concurrency, one for each core, must never wait for the kernel.
enum BlockingWork {
    private static let queue = DispatchQueue(label: "blocking work", attributes: .concurrent)

    /// Runs `body` on a thread that may block.
    static func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Result(catching: body)) }
        }
    }

    /// As `run`, for work that can stop midway: it asks whether its request was cancelled.
    static func runCancellable<Value: Sendable>(
        _ body: @escaping @Sendable (_ isCancelled: @escaping @Sendable () -> Bool) throws -> Value
    ) async throws -> Value {
        let flag = CancellationFlag()
        return try await withTaskCancellationHandler {
            try await run { try body { flag.isSet } }
        } onCancel: {
            flag.set()
        }
    }
}
