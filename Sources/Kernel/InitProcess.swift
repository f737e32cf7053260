import CKernel
import Glibc
import Synchronization

/// The first process of a fresh set of namespaces. It is killed and reaped with its owner, if not before.
public final class InitProcess: Sendable {
    /// The stack on which the child runs between clone and exec, in memory that it shares with this process.
    @safe private struct Stack: ~Copyable {
        static let size = 16 * 1024
        let memory: UnsafeMutableRawPointer

        init() { unsafe memory = UnsafeMutableRawPointer.allocate(byteCount: Self.size, alignment: 16) }
        deinit { unsafe memory.deallocate() }
    }

    private let process: PidFD
    /// The write end of the pipe on which the child waits; closed once it was used.
    private let go: Mutex<OwnedFD?>
    private let stack: Mutex<Stack?>
    private let isReaped = Mutex(false)

    /// The process's number in the caller's pid namespace.
    public var pid: Int32 { process.pid }

    /// Clones a process into new user, mount, pid, network, ipc, uts and cgroup namespaces, where it waits for `release`.
    ///
    /// - Parameters:
    ///   - executable: a static program, executed once it is released.
    ///   - passed: becomes its descriptor 3.
    ///   - name: its argv[0]; static, since the child reads it from memory that it shares with the caller.
    ///   - groups: what it is born in.
    public init(
        executable: borrowing OwnedFD, passing passed: borrowing OwnedFD, name: StaticString,
        in groups: ControlGroupFolders
    ) throws(KernelError) {
        let stack = Stack()
        var pipe = try Pipe()
        let (program, socket, waiting) = (executable.rawValue, passed.rawValue, pipe.readDescriptor)
        let stackAddress = unsafe UInt(bitPattern: stack.memory)
        // A thread of its own, because it enters the groups.
        let (pid, pidfd) = try Thread.run(name: "birth") { () throws(KernelError) in
            var pidfd: Int32 = -1
            let pid = try groups.enter { group throws(KernelError) in
                try OrphanReaper.makingAwaitedChild { () throws(KernelError) in
                    try check("clone3", "with new namespaces") {
                        // unsafe: the stack lives until `discardStack` or the process's end, the name forever.
                        unsafe ck_clone_init(
                            program, waiting, socket, group ?? -1,
                            UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self),
                            UnsafeMutableRawPointer(bitPattern: stackAddress), Stack.size, &pidfd)
                    }
                }
            }
            return (pid, pidfd)
        }
        process = PidFD(takingOver: OwnedFD(takingOver: pidfd), pid: pid)
        go = Mutex(pipe.takeWriteEnd())
        self.stack = Mutex(stack)
    }

    deinit { killAndReap() }

    /// Maps the first `count` user and group ids to the same ids of the caller's namespace.
    ///
    /// Before `release`: an exec without a mapped id 0 would strip the process of its capabilities (capabilities(7)).
    public func mapIdentity(ids count: UInt32) throws(KernelError) {
        // Id 0 by itself: a line must lie within one line of the caller's map, and a user's own id and the subordinate
        // ones are two (kernel/user_namespace.c, map_write).
        let map = count == 1 ? "0 0 1\n" : "0 0 1\n1 1 \(count - 1)\n"
        for file in ["uid_map", "gid_map"] { try ProcFS.write(map, to: "/proc/\(pid)/\(file)") }
    }

    /// Lets the process execute its program.
    public func release() throws(KernelError) {
        let byte: [UInt8] = [1]
        guard let end = go.withLock({ $0.take() }) else { preconditionFailure("a process is released once") }
        _ = try end.writeOnce(byte[...])
    }

    /// Frees the memory that the child ran on. Call it once its program has shown a sign of life.
    public func discardStack() { stack.withLock { $0 = nil } }

    /// Kills the process, and with it everything in its pid namespace; `killAndReap` waits for their end.
    public func kill() {
        isReaped.withLock { isReaped in
            if isReaped { return }
            // Only a process that is not this one's child can fail here, and this one is.
            do throws(KernelError) { try process.signal(SIGKILL) } catch { preconditionFailure("\(error)") }
        }
    }

    /// Kills the process, and with it everything in its pid namespace, and waits until all are gone. Again is harmless.
    public func killAndReap() {
        isReaped.withLock { isReaped in
            if isReaped { return }
            do throws(KernelError) {
                try process.signal(SIGKILL)
                try process.reap()
            } catch {
                // Only a process that is not this one's child can fail here, and this one is.
                preconditionFailure("\(error)")
            }
            isReaped = true
            OrphanReaper.hasReaped(pid)
        }
    }

    /// Limits how many processes each user of the process's user namespace may have, for hosts without control groups.
    ///
    /// The count is kept for every user namespace by itself since Linux 5.14 (ucounts).
    public func limitProcesses(to count: Int) throws(KernelError) {
        try check("prlimit(RLIMIT_NPROC)", "\(pid)") { ck_limit_processes(pid, UInt(count)) }
    }

    /// Puts the calling thread into the process's mount and uts namespaces; see `ThreadNamespaces`.
    public func enterMountsAndHostname() throws(KernelError) {
        try ThreadNamespaces.enterMountsAndHostname(of: process)
    }

    /// Puts the calling thread, and what it starts, into the process's network namespace; see `ThreadNamespaces`.
    public func enterNetwork() throws(KernelError) { try ThreadNamespaces.enterNetwork(of: process) }
}

/// Programs that exist only as memory files.
public enum MemoryExecutable {
    /// A sealed memory file with a program's bytes: nothing inside a sandbox can reach or change it.
    public static func make(named name: String, bytes: [UInt8]) throws(KernelError) -> OwnedFD {
        let file = OwnedFD(takingOver: try check("memfd_create", name) { unsafe ck_memfd_create(name) })
        var written = 0
        while written < bytes.count { written += try file.writeOnce(bytes[written...]) }
        try check("fcntl(F_ADD_SEALS)", name) { ck_memfd_seal(file.rawValue) }
        return file
    }
}
