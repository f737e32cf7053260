import CKernel

/// A process, named by a pidfd: it cannot be confused with a later process of the same number.
public struct PidFD: ~Copyable, Sendable {
    private let descriptor: OwnedFD
    /// The process's number in the caller's pid namespace.
    public let pid: Int32

    init(takingOver descriptor: consuming OwnedFD, pid: Int32) {
        self.descriptor = descriptor
        self.pid = pid
    }

    public init(opening pid: Int32) throws(KernelError) {
        self.init(
            takingOver: OwnedFD(takingOver: try check("pidfd_open", "\(pid)") { ck_pidfd_open(pid) }), pid: pid)
    }

    /// For registration with an event loop: readable once the process has ended.
    public var rawDescriptor: Int32 { descriptor.rawValue }

    /// A descriptor of its own for the same process.
    public func duplicateDescriptor() throws(KernelError) -> OwnedFD { try descriptor.duplicate() }

    /// A descriptor of this process's own for the open file behind one of the other process's (pidfd_getfd(2)).
    public func duplicateDescriptor(_ number: Int32) throws(KernelError) -> OwnedFD {
        OwnedFD(
            takingOver: try check("pidfd_getfd", "\(number) of \(pid)") {
                ck_pidfd_getfd(descriptor.rawValue, number)
            })
    }

    /// Sends a signal. A process that has ended already is no error.
    public func signal(_ number: Int32) throws(KernelError) {
        do throws(KernelError) {
            try check("pidfd_send_signal", "\(pid)") { ck_pidfd_send_signal(descriptor.rawValue, number) }
        } catch let error where error.errno == .noSuchProcess {
            return
        }
    }

    /// How the process ended, whoever has reaped it. Nil while nobody has, and on kernels that do not tell (before 6.15).
    public func exitStatus() -> ExitStatus? {
        var status: Int32 = 0
        // unsafe: the shim writes the status within the call.
        return unsafe ck_pidfd_exit_status(descriptor.rawValue, &status) == 0 ? ExitStatus(waitStatus: status) : nil
    }

    /// Waits for the end of a child and takes its status; its number is free afterwards.
    @discardableResult
    public func reap() throws(KernelError) -> ExitStatus {
        var status: Int32 = 0
        try check("waitid", "\(pid)") { unsafe ck_pidfd_reap(descriptor.rawValue, 0, &status) }
        return ExitStatus(waitStatus: status)
    }
}

/// How a process ended.
public enum ExitStatus: Equatable, Sendable {
    case exited(code: Int32)
    case signaled(Int32)

    /// From a status as wait(2) gives it.
    public init(waitStatus: Int32) {
        let signal = waitStatus & 0x7f
        self = signal == 0 ? .exited(code: waitStatus >> 8 & 0xff) : .signaled(signal)
    }
}
