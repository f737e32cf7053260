import Glibc
import Kernel

/// The lock on the whole store: shared for a change that takes microseconds, exclusive while garbage is marked.
///
/// Each holder has an open file description of its own, so threads of one process exclude each other like processes.
struct StoreLock: ~Copyable {
    /// How long to wait for another engine's garbage collection, which holds the lock for milliseconds; far more
    /// means that something is wrong with its holder.
    static let patience = Duration.seconds(30)
    private static let pause: UInt32 = 500  // microseconds

    private let descriptor: OwnedFD

    private init(holding descriptor: consuming OwnedFD) { self.descriptor = descriptor }

    /// Waits for the lock, at most `patience`.
    /// - Throws: `storeLocked`, `kernel`.
    static func take(
        _ mode: FileLockMode, in root: borrowing OwnedFD, storePath: String
    ) throws(StoreError) -> StoreLock {
        let descriptor = try onDisk { () throws(KernelError) in try root.open(StoreLayout.lock, [.read]) }
        let deadline = ContinuousClock.now + StoreLock.patience
        while try !onDisk({ () throws(KernelError) in try descriptor.tryLock(mode) }) {
            if ContinuousClock.now > deadline { throw .storeLocked(path: storePath) }
            usleep(StoreLock.pause)
        }
        return StoreLock(holding: descriptor)
    }

    /// Ends the lock; dropping the value does the same.
    consuming func release() {}
}

/// The proof that an engine lives: a file of its name with an exclusive flock(2) on it, which the kernel ends when the
/// process does.
enum EngineLock {
    private static func fileName(_ engine: EngineID) -> FilePath { FilePath(verbatim: "\(engine).lock") }

    /// Makes the file and locks it. Call under the store's lock.
    static func create(_ engine: EngineID, in engines: borrowing OwnedFD) throws(StoreError) -> OwnedFD {
        do throws(KernelError) {
            let file = try engines.open(fileName(engine), [.readWrite, .create, .exclusive], permissions: 0o600)
            guard try file.tryLock(.exclusive) else { throw KernelError("flock", "\(engine)", errno: .busy) }
            return file
        } catch {
            throw StoreError(error)
        }
    }

    static func isHeld(_ engine: EngineID, in engines: borrowing OwnedFD) throws(KernelError) -> Bool {
        do throws(KernelError) {
            return try !engines.open(fileName(engine), [.read]).tryLock(.shared)
        } catch {
            if error.errno == .noSuchFile { return false }
            throw error
        }
    }

    /// The engines that have a lock file, alive or not.
    static func all(in engines: borrowing OwnedFD) throws(KernelError) -> [EngineID] {
        try engines.entries().compactMap { entry in
            let name = entry.name.description
            return name.hasSuffix(".lock") ? EngineID(rawValue: String(name.dropLast(5))) : nil
        }
    }

    static func remove(_ engine: EngineID, in engines: borrowing OwnedFD) throws(KernelError) {
        try engines.removeFile(fileName(engine))
    }
}
