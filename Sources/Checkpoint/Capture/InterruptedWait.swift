import CKernel
import Kernel

/// Some calls that wait end with EINTR when their thread is held, though no signal has come (signal(7), "Interruption of system
/// calls and library functions by stop signals"). Programs do not expect that: the call is made again.
enum InterruptedWait {
    /// semop, sigtimedwait, io_getevents, semtimedop, epoll_wait, epoll_pwait, epoll_pwait2; and those that end so where a socket
    /// has a time limit: accept, sendto, recvfrom, sendmsg, recvmsg, accept4, read, write, readv, writev.
    private static let calls: Set<UInt64> = [
        65, 128, 208, 220, 232, 281, 441, 43, 44, 45, 46, 47, 288, 0, 1, 19, 20,
    ]
    private static let interrupted = Int64(-4)
    private static let instructionSize: UInt64 = 2

    /// A signal that is about to be delivered has interrupted the call in earnest.
    static func begin(anew thread: TracedThread) throws(KernelError) {
        guard case .interrupted = thread.firstStop else { return }
        var registers = try thread.registers()
        guard Int64(bitPattern: registers.rax) == interrupted, calls.contains(registers.orig_rax) else { return }
        let blocked = try thread.signalMask()
        for signal in try thread.pendingSignals(ofProcess: false) + thread.pendingSignals(ofProcess: true) {
            if blocked >> (UInt64(signal[0]) &- 1) & 1 == 0 { return }
        }
        registers.rax = registers.orig_rax
        registers.rip -= instructionSize
        registers.orig_rax = UInt64.max
        try thread.set(registers)
    }
}
