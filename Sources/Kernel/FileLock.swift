import Glibc

/// A lock of `flock(2)`: it belongs to the open file description, and ends when that is closed, however that comes.
public enum FileLockMode: Sendable {
    case shared, exclusive

    var operation: Int32 {
        switch self {
        case .shared: LOCK_SH
        case .exclusive: LOCK_EX
        }
    }
}

extension OwnedFD {
    /// Takes the lock, and waits until nobody holds one against it.
    public func lock(_ mode: FileLockMode) throws(KernelError) {
        try check("flock") { flock(rawValue, mode.operation) }
    }

    /// Takes the lock if nobody holds one against it.
    /// - Returns: false when somebody does.
    public func tryLock(_ mode: FileLockMode) throws(KernelError) -> Bool {
        do throws(KernelError) {
            try check("flock") { flock(rawValue, mode.operation | LOCK_NB) }
            return true
        } catch {
            if error.errno == .again { return false }
            throw error
        }
    }
}
