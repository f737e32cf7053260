import Kernel

/// Why a capture or a restore failed.
public enum CheckpointError: Error, FromKernelError {
    /// A system call failed that has nothing to do with what can be kept.
    case kernel(KernelError)
    /// Processes have something that cannot be kept.
    case unsupported([UnsupportedState])
    /// The image was made on another kernel or processor.
    case incompatible(reason: String)
    /// The image cannot be read.
    case malformed(reason: String)

    public init(_ error: KernelError) { self = .kernel(error) }
}

/// Something of a process that a capture cannot keep.
public struct UnsupportedState: Error, Equatable, Sendable {
    /// Inside the sandbox.
    public let pid: Int32
    public let command: String
    public let reason: String

    public init(pid: Int32, command: String, reason: String) {
        self.pid = pid
        self.command = command
        self.reason = reason
    }
}

/// Why one resource cannot be kept, or that looking at it failed.
enum ResourceError: Error, FromKernelError {
    case kernel(KernelError)
    case unsupported(String)

    init(_ error: KernelError) { self = .kernel(error) }
}

extension KernelError {
    /// The same, with the process that it happened to, by its number inside the sandbox.
    func of(_ pid: Int32, _ command: String) -> KernelError {
        KernelError(call, "\(subject) (process \(pid), \(command))", errno: errno)
    }

    func of(_ process: ProcessImage) -> KernelError { of(process.pid, process.command) }
}
