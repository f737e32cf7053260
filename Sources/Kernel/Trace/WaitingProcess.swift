import CKernel
import Glibc

/// A process in the engine's own namespaces that does nothing but wait, to be filled and forked from by ptrace.
/// It is killed and reaped with its owner.
public final class WaitingProcess: Sendable {
    private let process: PidFD

    public var pid: Int32 { process.pid }

    /// - Parameters:
    ///   - executable: a static program that only waits.
    ///   - passed: becomes its descriptor 3; it has no others.
    public init(executable: borrowing OwnedFD, passing passed: borrowing OwnedFD) throws(KernelError) {
        let stackSize = 16 * 1024
        let stack = UnsafeMutableRawPointer.allocate(byteCount: stackSize, alignment: 16)
        // The caller sleeps until the child has executed (CLONE_VFORK): nobody uses the stack any more then.
        defer { unsafe stack.deallocate() }
        var pidfd: Int32 = -1
        let (program, socket) = (executable.rawValue, passed.rawValue)
        let name: StaticString = "isorun-template"
        let pid = try OrphanReaper.makingAwaitedChild { () throws(KernelError) in
            try check("clone3", "a template") {
                // unsafe: stack and name outlive the call, see above.
                unsafe ck_clone_template(
                    program, socket, UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self), stack,
                    stackSize, &pidfd)
            }
        }
        process = PidFD(takingOver: OwnedFD(takingOver: pidfd), pid: pid)
    }

    /// Takes a process over that another one has made.
    ///
    /// - Parameter make: makes it as a child of the engine; its number.
    public init(_ make: () throws(KernelError) -> Int32) throws(KernelError) {
        let pid = try OrphanReaper.makingAwaitedChild(make)
        do throws(KernelError) {
            process = try PidFD(opening: pid)
        } catch {
            kill(pid, SIGKILL)
            waitpid(pid, nil, 0x4000_0000)  // __WALL
            OrphanReaper.hasReaped(pid)
            throw error
        }
    }

    deinit {
        do throws(KernelError) {
            try process.signal(SIGKILL)
            try process.reap()
        } catch {
            // Only a process that is not this one's child can fail here, and this one is.
            preconditionFailure("\(error)")
        }
        OrphanReaper.hasReaped(pid)
    }
}
