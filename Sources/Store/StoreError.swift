import Kernel

/// Why the store could not do what it was asked; each case is a sentence that a person can act on.
public enum StoreError: Error, Sendable, FromKernelError {
    case snapshotNotFound(String)
    /// The snapshot's manifest is damaged, or a layer that it names is missing.
    case snapshotCorrupt(String, reason: String)
    case sandboxNotFound(String)
    case sandboxCorrupt(String, reason: String)
    /// Another living engine runs the sandbox.
    case sandboxInUse(SandboxID, engine: EngineID)
    case imageNotFound(String)
    case imageInvalid(reason: String)
    case imageInUse(String, by: String)
    /// A registry, or the program that speaks with it, refused.
    case pullFailed(reason: String)
    /// Another process has held the store's lock for longer than `StoreLock.patience`.
    case storeLocked(path: String)
    case storeCorrupt(reason: String)
    /// Something in the store was written by a newer version of the engine.
    case newerVersion(of: String, version: Int64, supported: Int64)
    /// The folder holds other things than a store.
    case notAStore(path: String, found: String)
    case noSpace(KernelError)
    case readOnly(KernelError)
    /// Deeper than `TreeLimits.maxDepth`: no program could name what lies there with one path.
    case treeTooDeep(path: String)
    /// An entry cannot be copied faithfully, as a device node in a user namespace.
    case notCopyable(path: String, reason: String)
    /// A program of the host is needed for it.
    case programMissing(String, package: String)
    case cancelled
    case kernel(KernelError)

    /// Sorts a failed system call by what the person in front of it has to do about it.
    public init(_ error: KernelError) {
        switch error.errno {
        case .noSpace, .quotaExceeded: self = .noSpace(error)
        case .readOnlyFilesystem: self = .readOnly(error)
        default: self = .kernel(error)
        }
    }
}

extension StoreError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .snapshotNotFound(let id):
            "There is no snapshot \(id); it was deleted, or it lies in another store."
        case .snapshotCorrupt(let id, let reason):
            "Snapshot \(id) is damaged (\(reason)); delete it, nothing can be restored from it."
        case .sandboxNotFound(let id):
            "There is no sandbox \(id) in the store."
        case .sandboxCorrupt(let id, let reason):
            "The record of sandbox \(id) is damaged (\(reason)); destroy it."
        case .sandboxInUse(let id, let engine):
            "Sandbox \(id) is run by another engine (\(engine)); use that one, or end it first."
        case .imageNotFound(let reference):
            "There is no image '\(reference)'; import or pull it first."
        case .imageInvalid(let reason):
            "The image cannot be used: \(reason)."
        case .imageInUse(let reference, let user):
            "Image '\(reference)' is still needed by \(user); delete that first."
        case .pullFailed(let reason):
            "The image could not be pulled: \(reason)."
        case .storeLocked(let path):
            "The store \(path) has been locked by another process for too long; see which engine collects garbage in it."
        case .storeCorrupt(let reason):
            "The store is damaged: \(reason)."
        case .newerVersion(let subject, let version, let supported):
            "\(subject) was written by a newer isorun-engine (format \(version), this one reads up to \(supported)); "
                + "update the engine or use another store."
        case .notAStore(let path, let found):
            "\(path) is not a store: it holds '\(found)'. Name an empty folder or an existing store."
        case .noSpace(let error):
            "The store's filesystem is full (\(error)); free some space or delete snapshots."
        case .readOnly(let error):
            "The store's filesystem is read-only (\(error)); remount it writable or use another store."
        case .treeTooDeep(let path):
            "The folders below '\(path.prefix(200))' are nested deeper than \(TreeLimits.maxDepth) levels."
        case .notCopyable(let path, let reason):
            "'\(path)' cannot be copied: \(reason)."
        case .programMissing(let program, let package):
            "The program \(program) is needed for this; install the package \(package)."
        case .cancelled:
            "The operation was cancelled."
        case .kernel(let error):
            "The store could not be accessed: \(error)."
        }
    }
}

/// Bounds for walks that keep directories open on several layers at once.
enum TreeLimits {
    /// Half of PATH_MAX (4096): a path of one-letter names deeper than this cannot be passed to any system call.
    static let maxDepth = 2048
}

/// Runs filesystem calls and hands their failure on as the store's.
func onDisk<Result: ~Copyable>(_ body: () throws(KernelError) -> Result) throws(StoreError) -> Result {
    do throws(KernelError) {
        return try body()
    } catch {
        throw StoreError(error)
    }
}
