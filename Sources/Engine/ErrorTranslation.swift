import Kernel
import Protocol
import Sandbox
import Store

/// The one place where failures of the kernel half become the protocol's errors.
enum ErrorTranslation {
    static func protocolError(for error: any Error) -> ProtocolError {
        switch error {
        case let error as ProtocolError: error
        case let error as SandboxError: translate(error)
        case let error as StoreError: translate(error)
        case let error as KernelError: translate(error)
        case is CancellationError: .requestCancelled()
        default: .internalError("\(error)")
        }
    }

    static func unknownUser(_ user: String, method: String) -> ProtocolError {
        .invalidParams(
            method: method, field: "user", "names `\(user)`, which the sandbox's /etc/passwd and /etc/group do not know"
        )
    }

    /// Why a store cannot be opened.
    static func protocolError(forStoreAt path: String, _ error: StoreError) -> ProtocolError {
        switch error {
        case .storeCorrupt(let reason): .storeUnusable(path, reason: reason)
        case .newerVersion, .notAStore, .readOnly: .storeUnusable(path, reason: error.description)
        case .kernel(let error) where error.errno.isAboutThePath:
            .storeUnusable(path, reason: "\(error); name a folder that this user may write")
        default: translate(error)
        }
    }

    private static func translate(_ error: SandboxError) -> ProtocolError {
        switch error {
        case .kernel(let error): translate(error)
        case .store(let error): translate(error)
        case .wrongState(let id, let status, let allowed):
            .wrongState(id, status: .init(status), allowed: allowed.map { .init($0) })
        case .destroyed(let id): .sandboxDestroyed(id)
        case .failed(let id, let reason): .sandboxFailed(id, reason: reason)
        case .commandNotFound(let command): .commandNotFound(command)
        case .commandNotExecutable(let command, let reason): .commandNotExecutable(command, reason: reason)
        case .commitConflict(let conflicts):
            .commitConflict(conflicts.map { CommitConflictObject(path: $0.path, reason: .init($0.reason)) })
        case .hostFolderMissing(let location, let mountPoint):
            .hostFolderMissing(location, mountPoint: mountPoint)
        case .userNotFound(let user): unknownUser(user, method: "sandbox/exec")
        case .directoryNotFound(let path): .pathNotFound(path)
        case .limitExceeded(let limit, let reason): .limitExceeded(limit: limit, reason)
        case .diskFull(let id, let limit): .diskFull(id, limitMiB: limit)
        case .runtimeStateUnsupported(let processes):
            .runtimeStateUnsupported(
                processes.map { .init(pid: Int($0.pid), command: $0.command, reason: $0.reason) })
        case .hostUnsupported(let feature, let reason, let fix):
            .hostUnsupported(feature: feature, reason: reason, fix: fix)
        case .networkUnavailable(let reason, let fix): .networkUnavailable(reason: reason, fix: fix)
        case .portForwarded(let forwarded):
            .invalidParams(
                method: "port/forward", field: "hostPort",
                "is not the one that port \(forwarded.port) is forwarded from already, \(forwarded.hostPort); close that first"
            )
        case .portNotForwarded(let port):
            .invalidParams(method: "port/close", field: "port", "is \(port), which is not forwarded")
        case .hostPortTaken(let port, let reason):
            .invalidParams(method: "port/forward", field: "hostPort", "cannot be \(port): \(reason)")
        case .processNotFound(let id): .processNotFound(id)
        case .standardInputClosed(let id): .stdinClosed(id)
        case .noTerminal(let id):
            .invalidParams(
                method: "process/resize", field: "processId",
                "names `\(id)`, which has no terminal; start a process with `pty` to get one")
        case .outputNotKept(let id):
            .invalidParams(
                method: "process/attach", field: "processId",
                "names `\(id)`, which a command left behind: its output goes where that command sent it")
        case .path(let error): translate(error)
        case .snapshotIncompatible(let id, let reason): .snapshotIncompatible(id, reason: reason)
        case .runtimeStateCorrupt(let id, let reason):
            .snapshotCorrupt(id, reason: "\(reason); its files come back with `runtime: \"none\"`")
        }
    }

    private static func translate(_ error: StoreError) -> ProtocolError {
        switch error {
        case .snapshotNotFound(let id): .snapshotNotFound(id)
        case .snapshotCorrupt(let id, let reason): .snapshotCorrupt(id, reason: reason)
        case .sandboxNotFound(let id): .sandboxNotFound(id)
        case .sandboxCorrupt(let id, let reason): .sandboxFailed(id, reason: reason)
        case .sandboxInUse(let id, _): .sandboxNotFound(id.rawValue)
        case .imageNotFound(let reference): .imageNotFound(reference)
        case .imageInvalid(let reason): .imageInvalid("", reason: reason)
        case .imageInUse(let reference, let user): .imageInUse(reference, by: [user])
        case .pullFailed(let reason): .pullFailed("", reason: reason)
        case .storeLocked(let path): .storeLocked(path, reason: "another process has held its lock for too long")
        case .storeCorrupt, .newerVersion, .notAStore: .storeUnusable("", reason: error.description)
        case .noSpace(let error): .noSpace(error.subject)
        case .readOnly(let error): .permissionDenied(error.subject, reason: "the filesystem is read-only")
        case .treeTooDeep(let path):
            .limitExceeded(limit: "depth", "the folders below `\(path.prefix(200))` are nested too deeply")
        case .notCopyable(let path, let reason): .permissionDenied(path, reason: reason)
        case .programMissing(let program, let package):
            .hostUnsupported(
                feature: program, reason: "the program \(program) is missing", fix: "apt-get install \(package)")
        case .cancelled: .requestCancelled()
        case .kernel(let error): translate(error)
        }
    }

    private static func translate(_ error: PathError) -> ProtocolError {
        switch error.kind {
        case .notFound: .pathNotFound(error.path)
        case .exists: .pathExists(error.path)
        case .notDirectory: .pathNotDirectory(error.path)
        case .isDirectory: .pathIsDirectory(error.path)
        case .notCopiedFolder: .notCopiedFolder(error.path)
        case .tooLong:
            .invalidParams(
                method: "fs", field: "path", "is longer than the filesystem allows: `\(error.path.prefix(100))…`")
        case .permissionDenied(let reason): .permissionDenied(error.path, reason: reason)
        }
    }

    private static func translate(_ error: KernelError) -> ProtocolError {
        switch error.errno {
        case .noSpace, .quotaExceeded: .noSpace(error.subject)
        case .tooManyOpenFiles, .tooManyOpenFilesInSystem:
            .limitExceeded(limit: "openFiles", "the engine has as many files open as it may: \(error)")
        default: .internalError("\(error)")
        }
    }
}

extension Errno {
    /// Whether another path, or other permissions on it, would help.
    fileprivate var isAboutThePath: Bool {
        [.noSuchFile, .notDirectory, .accessDenied, .notPermitted, .nameTooLong, .tooManyLinks, .exists].contains(self)
    }
}
