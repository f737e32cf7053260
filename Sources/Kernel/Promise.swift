import Dispatch
import Synchronization

/// A value that one thread waits for and another gives, once.
public final class Promise<Value: Sendable>: Sendable {
    private let value = Mutex<Value?>(nil)
    private let given = DispatchSemaphore(value: 0)

    public init() {}

    /// Gives the value; a second one is ignored.
    public func fulfil(_ newValue: Value) {
        let isFirst = value.withLock { value in
            if value != nil { return false }
            value = newValue
            return true
        }
        if isFirst { given.signal() }
    }

    /// Blocks the calling thread until there is a value.
    public func wait() -> Value {
        given.wait()
        defer { given.signal() }
        guard let value = value.withLock({ $0 }) else { preconditionFailure("signalled only with a value") }
        return value
    }
}
