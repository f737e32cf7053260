import Kernel
import Store

/// A path that cannot be used as asked.
public struct PathError: Error, Sendable, Equatable {
    public enum Kind: Sendable, Equatable {
        case notFound
        case exists
        case notDirectory
        case isDirectory
        /// Of the host: no folder that was copied into the sandbox.
        case notCopiedFolder
        /// The path, or a name in it, is longer than the filesystem allows.
        case tooLong
        /// The reason completes "permission denied: ".
        case permissionDenied(reason: String)
    }

    public let kind: Kind
    /// As the caller wrote it, or below that.
    public let path: String

    public init(_ kind: Kind, _ path: String) {
        self.kind = kind
        self.path = path
    }
}

extension SandboxError {
    /// A failed system call on a path, sorted by what the person who named the path can do about it.
    public init(_ error: KernelError, path: String) {
        func denied(_ reason: String) -> SandboxError { .path(PathError(.permissionDenied(reason: reason), path)) }
        switch error.errno {
        case .noSuchFile: self = .path(PathError(.notFound, path))
        case .exists, .notEmpty: self = .path(PathError(.exists, path))
        case .notDirectory: self = .path(PathError(.notDirectory, path))
        case .isDirectory: self = .path(PathError(.isDirectory, path))
        case .noSpace, .quotaExceeded: self = .store(.noSpace(error))
        case .accessDenied, .notPermitted: self = denied(error.errno.message)
        case .readOnlyFilesystem: self = denied("it lies on a read-only filesystem")
        case .busy: self = denied("something is mounted there")
        case .tooManyLinks: self = denied("too many symbolic links, or one of /proc that leads out of the sandbox")
        case .nameTooLong: self = .path(PathError(.tooLong, path))
        case .again: self = denied("it cannot be used without waiting")
        case .staleHandle: self = denied("it was moved or replaced meanwhile")
        default: self = .kernel(error)
        }
    }

    /// A failed copy to or from a path.
    init(_ error: StoreError, path: String) {
        func below(_ subject: String) -> String {
            subject.isEmpty || subject.hasPrefix("/") ? path : path + "/" + subject
        }
        switch error {
        case .kernel(let error), .readOnly(let error): self.init(error, path: below(error.subject))
        case .notCopyable(let subject, let reason):
            self = .path(PathError(.permissionDenied(reason: reason), below(subject)))
        default: self = .store(error)
        }
    }
}

/// Makes system calls for a path and reports their failure as the path's.
func atPath<Value: ~Copyable>(
    _ path: String, _ body: () throws(KernelError) -> Value
) throws(SandboxError) -> Value {
    do throws(KernelError) {
        return try body()
    } catch {
        throw SandboxError(error, path: path)
    }
}

extension FileKind {
    /// For sentences: "it is …".
    var noun: String {
        switch self {
        case .regular: "a file"
        case .directory: "a folder"
        case .symlink: "a symbolic link"
        case .fifo: "a fifo"
        case .socket: "a socket"
        case .characterDevice, .blockDevice: "a device"
        }
    }
}
