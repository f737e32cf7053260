import Glibc

/// The system refused another thread (`EAGAIN`: a limit of the user, the cgroup or the system is reached).
public struct ThreadStartError: Error, Equatable, Sendable, CustomStringConvertible {
    public let errno: Int32

    public var description: String { "pthread_create: error \(errno), too many threads or processes" }
}

/// Runs `body` on a new thread that nobody joins.
func startThread(_ body: @escaping @Sendable () -> Void) throws(ThreadStartError) {
    // unsafe: the one reference that passRetained makes is taken over by the thread, or by this function on failure.
    let start = unsafe Unmanaged.passRetained(ThreadStart(body))
    var thread = pthread_t()
    let result = unsafe pthread_create(
        &thread, nil,
        { argument in
            if let argument = unsafe argument {
                unsafe Unmanaged<ThreadStart>.fromOpaque(argument).takeRetainedValue().body()
            }
            return nil
        }, start.toOpaque())
    guard result == 0 else {
        unsafe start.release()
        throw ThreadStartError(errno: result)
    }
    pthread_detach(thread)
}

/// Carries a closure through pthread's untyped argument.
private final class ThreadStart: Sendable {
    let body: @Sendable () -> Void

    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}
