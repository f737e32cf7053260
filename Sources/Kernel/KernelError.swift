import CKernel
import Glibc

/// A system call that failed, with what it was asked to do: `mount /run/x: EBUSY (Device or resource busy)`.
public struct KernelError: Error, CustomStringConvertible, Equatable {
    /// The system call's name, as in section 2 of the manual.
    public let call: String
    /// What it was applied to: a path, a pid, a feature. Empty when there is none.
    public let subject: String
    public let errno: Errno

    public init(_ call: String, _ subject: String = "", errno: Errno) {
        self.call = call
        self.subject = subject
        self.errno = errno
    }

    public var description: String {
        let operation = subject.isEmpty ? call : "\(call) \(subject)"
        return "\(operation): \(errno.name) (\(errno.message))"
    }
}

/// A kernel error number.
public struct Errno: RawRepresentable, Hashable, Sendable {
    public let rawValue: Int32

    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// The calling thread's `errno`. Read it on the line after the call that set it.
    public static var current: Errno { Errno(rawValue: Glibc.errno) }

    /// The symbolic name, as `ENOENT`.
    public var name: String {
        // unsafe: the name is of static storage or nil (glibc, strerror(3)).
        guard let name = unsafe ck_strerrorname(rawValue) else { return "errno \(rawValue)" }
        return unsafe String(cString: name)
    }

    /// The system's sentence for it.
    public var message: String {
        // unsafe: the sentence is of static storage or nil (glibc, strerror(3)).
        guard let text = unsafe ck_strerrordesc(rawValue) else { return "unknown error" }
        return unsafe String(cString: text)
    }

    public static let notPermitted = Errno(rawValue: EPERM)
    public static let noSuchFile = Errno(rawValue: ENOENT)
    public static let noSuchProcess = Errno(rawValue: ESRCH)
    public static let interrupted = Errno(rawValue: EINTR)
    public static let tooBig = Errno(rawValue: E2BIG)
    public static let notExecutableFormat = Errno(rawValue: ENOEXEC)
    public static let noChild = Errno(rawValue: ECHILD)
    public static let again = Errno(rawValue: EAGAIN)
    public static let accessDenied = Errno(rawValue: EACCES)
    public static let busy = Errno(rawValue: EBUSY)
    public static let exists = Errno(rawValue: EEXIST)
    public static let crossDevice = Errno(rawValue: EXDEV)
    public static let notDirectory = Errno(rawValue: ENOTDIR)
    public static let isDirectory = Errno(rawValue: EISDIR)
    public static let invalid = Errno(rawValue: EINVAL)
    public static let noSpace = Errno(rawValue: ENOSPC)
    public static let quotaExceeded = Errno(rawValue: EDQUOT)
    public static let readOnlyFilesystem = Errno(rawValue: EROFS)
    public static let brokenPipe = Errno(rawValue: EPIPE)
    public static let nameTooLong = Errno(rawValue: ENAMETOOLONG)
    public static let notImplemented = Errno(rawValue: ENOSYS)
    public static let notEmpty = Errno(rawValue: ENOTEMPTY)
    public static let tooManyLinks = Errno(rawValue: ELOOP)
    public static let range = Errno(rawValue: ERANGE)
    public static let noData = Errno(rawValue: ENODATA)
    public static let notSupported = Errno(rawValue: EOPNOTSUPP)
    public static let staleHandle = Errno(rawValue: ESTALE)
    public static let tooManyHardLinks = Errno(rawValue: EMLINK)
    public static let noSuchDevice = Errno(rawValue: ENXIO)
    public static let notTerminal = Errno(rawValue: ENOTTY)
    public static let tooManyOpenFiles = Errno(rawValue: EMFILE)
    public static let tooManyOpenFilesInSystem = Errno(rawValue: ENFILE)
    public static let connectionReset = Errno(rawValue: ECONNRESET)
    public static let notConnected = Errno(rawValue: ENOTCONN)
    public static let connectionRefused = Errno(rawValue: ECONNREFUSED)
    public static let inProgress = Errno(rawValue: EINPROGRESS)
    public static let addressInUse = Errno(rawValue: EADDRINUSE)
    public static let cancelled = Errno(rawValue: ECANCELED)
    public static let illegalSeek = Errno(rawValue: ESPIPE)
}

/// Runs a system call that reports failure as -1, again when a signal interrupted it.
///
/// - Parameters:
///   - call: the call's name, for the error.
///   - subject: what it is applied to, for the error; evaluated only on failure.
///   - body: makes the call once and returns its result.
/// - Returns: the call's result when it is not -1.
@discardableResult
public func check<Result: FixedWidthInteger & SignedInteger>(
    _ call: String, _ subject: @autoclosure () -> String = "", _ body: () -> Result
) throws(KernelError) -> Result {
    while true {
        let result = body()
        if result != -1 { return result }
        let errno = Errno.current
        if errno != .interrupted { throw KernelError(call, subject(), errno: errno) }
    }
}
