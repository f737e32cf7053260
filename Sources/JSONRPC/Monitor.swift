import Glibc

/// A value that threads share, and wait on until it has changed: a mutex with a condition variable.
///
/// `Synchronization.Mutex` has no way to wait; hence pthread's pair.
@safe final class Monitor<Value: Sendable>: @unchecked Sendable {
    private var value: Value
    // Allocated, because pthread objects must not move (pthread_mutex_init(3p)).
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    init(_ value: Value) {
        self.value = value
        // unsafe: both point to memory of their size that lives as long as self. None of these calls can fail on Linux.
        unsafe pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        unsafe pthread_condattr_init(&attributes)
        // Deadlines must not move when somebody sets the machine's time.
        unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        unsafe pthread_cond_init(changed, &attributes)
        unsafe pthread_condattr_destroy(&attributes)
    }

    deinit {
        // unsafe: nobody else has a reference any more, so nobody holds or waits on them.
        unsafe pthread_cond_destroy(changed)
        unsafe pthread_mutex_destroy(mutex)
        unsafe changed.deallocate()
        unsafe mutex.deallocate()
    }

    /// Runs `body` alone, on a value that it does not change.
    func read<Result>(_ body: (Value) -> Result) -> Result {
        locked { body(value) }
    }

    /// Runs `body` alone, then wakes whoever waits for a change.
    func update<Result>(_ body: (inout Value) -> Result) -> Result {
        locked {
            let result = body(&value)
            // unsafe: initialised in init.
            unsafe pthread_cond_broadcast(changed)
            return result
        }
    }

    /// Waits until `isReady`, then runs `body` alone.
    ///
    /// - Parameter deadline: a point of the monotonic clock, after which `body` runs although it is not ready.
    func wait<Result>(
        until isReady: (Value) -> Bool, deadline: timespec? = nil, then body: (inout Value) -> Result
    ) -> Result {
        locked {
            while !isReady(value) {
                // unsafe: initialised in init; the mutex is held, and given up only while the thread sleeps.
                if var deadline {
                    if unsafe pthread_cond_timedwait(changed, mutex, &deadline) == ETIMEDOUT { break }
                } else {
                    unsafe pthread_cond_wait(changed, mutex)
                }
            }
            return body(&value)
        }
    }

    private func locked<Result>(_ body: () -> Result) -> Result {
        // unsafe: initialised in init; unlocked by the thread that locked it.
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        return body()
    }
}

extension timespec {
    /// The point of the monotonic clock that lies `duration` ahead.
    static func monotonic(after duration: Duration) -> timespec {
        var now = timespec()
        // unsafe: `now` is written before the call returns. The clock always exists (clock_gettime(2)).
        unsafe clock_gettime(CLOCK_MONOTONIC, &now)
        let (seconds, attoseconds) = duration.components
        let nanoseconds = now.tv_nsec + Int(attoseconds / 1_000_000_000)
        return timespec(
            tv_sec: now.tv_sec + Int(seconds) + nanoseconds / 1_000_000_000, tv_nsec: nanoseconds % 1_000_000_000)
    }
}
