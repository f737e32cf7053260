import Checkpoint
import Kernel
import Store

/// Why something asked of a sandbox was not done. Engine translates each case to the protocol's errors.
public enum SandboxError: Error {
    case kernel(KernelError)
    case store(StoreError)
    /// The sandbox is in a state in which this is not possible.
    case wrongState(id: String, Sandbox.Status, allowed: [Sandbox.Status])
    case destroyed(id: String)
    /// The sandbox's own PID 1 ended without having been asked to.
    case failed(id: String, reason: String)
    case commandNotFound(String)
    case commandNotExecutable(String, reason: String)
    case processNotFound(String)
    /// Never open, closed by the client, or closed by everybody who could read it.
    case standardInputClosed(String)
    /// The process has no terminal whose size could change.
    case noTerminal(String)
    /// A process that a command left behind prints to where that command let it print.
    case outputNotKept(String)
    case path(PathError)
    /// What was to be committed has changed on the host since it was copied.
    case commitConflict([CommitConflict])
    /// A folder that is mounted into the sandbox is not there.
    case hostFolderMissing(location: String, mountPoint: String)
    case userNotFound(String)
    case directoryNotFound(String)
    case limitExceeded(limit: String, reason: String)
    /// More than the sandbox may have.
    case diskFull(id: String, limitMiB: Int)
    case runtimeStateUnsupported([UnsupportedProcess])
    case hostUnsupported(feature: String, reason: String, fix: String)
    case networkUnavailable(reason: String, fix: String)
    /// From another port of the host than was asked for.
    case portForwarded(ForwardedPort)
    case portNotForwarded(UInt16)
    /// 0: no port of the host is free.
    case hostPortTaken(UInt16, reason: String)
    case snapshotIncompatible(id: String, reason: String)
    /// Of a snapshot or a hibernated sandbox.
    case runtimeStateCorrupt(id: String, reason: String)
}

extension SandboxError: FromKernelError {
    public init(_ error: KernelError) { self = .kernel(error) }
}

extension SandboxError: FromCheckpointError {
    /// For a capture, which reads no state.
    public init(_ error: CheckpointError) { self.init(error, of: "") }

    /// - Parameter id: of the snapshot or hibernated sandbox whose state it is.
    init(_ error: CheckpointError, of id: String) {
        switch error {
        case .kernel(let error): self = .kernel(error)
        case .unsupported(let states):
            self = .runtimeStateUnsupported(
                states.map { .init(pid: $0.pid, command: $0.command, reason: $0.reason) })
        case .incompatible(let reason): self = .snapshotIncompatible(id: id, reason: reason)
        case .malformed(let reason): self = .runtimeStateCorrupt(id: id, reason: reason)
        }
    }
}

/// A process that cannot be part of a snapshot, and why.
public struct UnsupportedProcess: Sendable {
    public let pid: Int32
    public let command: String
    public let reason: String
}
