import CKernel
import Glibc
import Synchronization

/// Plain threads: for loops that live as long as the process, and for kernel state that belongs to one thread
/// (ptrace, setns, the working directory after unshare).
public enum Thread {
    /// Starts a detached thread.
    public static func start(name: String, _ body: @escaping @Sendable () -> Void) throws(KernelError) {
        let thread = try create(name: name, body)
        _ = pthread_detach(thread)
    }

    /// Runs `body` on a thread of its own and waits for it; its result or its error comes back.
    ///
    /// Whatever `body` changes about its thread (namespaces, working directory, tracees) ends with it.
    public static func run<Value: Sendable, Failure: Error>(
        name: String, _ body: @escaping @Sendable () throws(Failure) -> Value
    ) throws(Failure) -> Value where Failure: FromKernelError {
        let outcome = Mutex<Result<Value, Failure>?>(nil)
        let thread: pthread_t
        do throws(KernelError) {
            thread = try create(name: name) {
                let result: Result<Value, Failure>
                do throws(Failure) { result = .success(try body()) } catch { result = .failure(error) }
                outcome.withLock { $0 = result }
            }
        } catch {
            throw Failure(error)
        }
        _ = pthread_join(thread, nil)
        guard let result = outcome.withLock({ $0 }) else { preconditionFailure("a joined thread has left its result") }
        return try result.get()
    }

    private final class Body {
        let name: String
        let run: @Sendable () -> Void
        init(name: String, run: @escaping @Sendable () -> Void) {
            self.name = name
            self.run = run
        }
    }

    private static func create(
        name: String, _ body: @escaping @Sendable () -> Void
    ) throws(KernelError) -> pthread_t {
        var thread = pthread_t()
        // unsafe: the retained body is handed over through the C argument and taken back exactly once, by the thread.
        let argument = unsafe Unmanaged.passRetained(Body(name: name, run: body)).toOpaque()
        let failure = unsafe pthread_create(
            &thread, nil,
            { argument in
                guard let argument = unsafe argument else { return nil }
                let body = unsafe Unmanaged<Body>.fromOpaque(argument).takeRetainedValue()
                unsafe ck_name_thread(body.name)
                body.run()
                return nil
            }, argument)
        if failure != 0 {
            unsafe Unmanaged<Body>.fromOpaque(argument).release()
            throw KernelError("pthread_create", name, errno: Errno(rawValue: failure))
        }
        return thread
    }
}

/// An error type that can say that a system call failed.
public protocol FromKernelError: Error {
    init(_ error: KernelError)
}

extension KernelError: FromKernelError {
    public init(_ error: KernelError) { self = error }
}
