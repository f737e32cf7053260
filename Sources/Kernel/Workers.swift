import Dispatch
import Glibc
import Synchronization

/// Work on several things at a time, on threads of its own.
public enum Workers {
    public static var processorCount: Int { max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))) }

    /// Runs `body` for every item, on as many threads as there are processors unless another number is given.
    ///
    /// - Parameters:
    ///   - items: those that take longest first.
    ///   - onFailure: called for the first failure, to make the others stop; they are waited for.
    /// - Returns: the results in the items' order.
    /// - Throws: the first failure.
    public static func run<Item: Sendable, Result: Sendable, Failure: FromKernelError>(
        _ name: String, _ items: [Item], atOnce threadCount: Int = processorCount,
        onFailure: @escaping @Sendable () -> Void,
        _ body: @escaping @Sendable (Item) throws(Failure) -> Result
    ) throws(Failure) -> [Result] {
        let work = Work<Item, Result, Failure>(items)
        let threads = DispatchGroup()
        for _ in 0..<min(items.count, threadCount) {
            threads.enter()
            do throws(KernelError) {
                try Thread.start(name: name) {
                    work.carryOn(onFailure, body)
                    threads.leave()
                }
            } catch {
                threads.leave()
                work.fail(Failure(error))
            }
        }
        threads.wait()
        return try work.results()
    }

    private final class Work<Item: Sendable, Result: Sendable, Failure: FromKernelError>: Sendable {
        private struct State {
            var next = 0
            var results: [Result?]
            var failure: Failure?
        }

        private let items: [Item]
        private let state: Mutex<State>

        init(_ items: [Item]) {
            self.items = items
            state = Mutex(State(results: items.map { _ in nil }))
        }

        func carryOn(_ onFailure: () -> Void, _ body: (Item) throws(Failure) -> Result) {
            while let index = next() {
                do throws(Failure) {
                    let result = try body(items[index])
                    state.withLock { $0.results[index] = result }
                } catch {
                    fail(error)
                    onFailure()
                }
            }
        }

        private func next() -> Int? {
            state.withLock { state in
                if state.failure != nil || state.next == items.count { return nil }
                defer { state.next += 1 }
                return state.next
            }
        }

        func fail(_ error: Failure) {
            state.withLock { if $0.failure == nil { $0.failure = error } }
        }

        func results() throws(Failure) -> [Result] {
            let state = state.withLock { $0 }
            if let failure = state.failure { throw failure }
            return state.results.compactMap(\.self)
        }
    }
}
