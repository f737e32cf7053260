import CKernel
import Glibc

/// A thread that is held by ptrace. It runs on as before when the value goes away, unless it was killed.
///
/// ptrace belongs to the thread that seized: make, use and drop the value on one thread of its own (`Thread.run`).
public final class TracedThread {
    /// Why a thread stands still.
    public enum Stop: Equatable {
        /// It was asked to, or had just been made.
        case interrupted
        /// A stop signal holds its whole process (SIGSTOP, SIGTSTP…).
        case jobControl(signal: Int32)
        /// A signal is about to be delivered.
        case signal(Int32)
        /// It has made another thread or process, which is held too.
        case made(thread: Int32)
        /// It was about to execute another program, to exit, or the like.
        case other(event: Int32)
        case ended

        /// Whether it only tells that the thread stands still, and the thread has executed nothing since it was resumed.
        public var isMereNews: Bool {
            switch self {
            case .interrupted, .jobControl: true
            case .signal, .made, .other, .ended: false
            }
        }
    }

    public let id: Int32
    /// Why it stood still when it was seized.
    public private(set) var firstStop: Stop = .interrupted
    private var isHeld = true
    /// A signal that was on its way to the thread when it was held; it is delivered when the thread is let go.
    public private(set) var withheldSignal: Int32 = 0

    /// Seizes a thread and brings it to rest.
    ///
    /// - Parameter patience: how long it may take.
    /// - Returns: nil when there is no such thread any more.
    /// - Throws: EPERM when somebody else traces it, EBUSY when it sleeps uninterruptibly for longer than `patience`.
    public init?(seizing id: Int32, patience: Duration) throws(KernelError) {
        self.id = id
        do throws(KernelError) {
            try check("ptrace(SEIZE)", "\(id)") { ck_ptrace_seize(id) }
        } catch {
            isHeld = false
            if error.errno == .noSuchProcess { return nil }
            throw error
        }
        do throws(KernelError) {
            try check("ptrace(INTERRUPT)", "\(id)") { ck_ptrace_interrupt(id) }
        } catch let error where error.errno == .noSuchProcess {
            isHeld = false
            return nil
        }
        guard let stop = try Self.firstStop(of: id, within: patience) else {
            isHeld = false
            return nil
        }
        firstStop = stop
        if case .signal(let signal) = stop { withheldSignal = signal }
    }

    /// A thread that the kernel attached when a held thread made it; waits until it stands still.
    public init(madeByHeldThread id: Int32) throws(KernelError) {
        self.id = id
        guard try wait() != .ended else { throw KernelError("waitpid", "\(id)", errno: .noSuchProcess) }
    }

    deinit { letGo() }

    private static func firstStop(of id: Int32, within patience: Duration) throws(KernelError) -> Stop? {
        let deadline = ContinuousClock.now + patience
        while true {
            var status: Int32 = 0
            // unsafe: the kernel fills the status.
            let result = unsafe ck_ptrace_poll_stop(id, &status)
            if result == id {
                let stop = Self.stop(status, of: id)
                return stop == .ended ? nil : stop
            }
            if result < 0 { return nil }
            if ContinuousClock.now > deadline {
                throw KernelError("ptrace(INTERRUPT)", "\(id) does not come to rest", errno: .busy)
            }
            ck_short_sleep()
        }
    }

    // MARK: Running under control

    /// Lets the thread run until something happens to it, and says what.
    public func resumeUntilStop(delivering signal: Int32 = 0) throws(KernelError) -> Stop {
        try check("ptrace(CONT)", "\(id)") { ck_ptrace_continue(id, signal) }
        return try wait()
    }

    /// Executes one instruction.
    public func step() throws(KernelError) -> Stop {
        try check("ptrace(SINGLESTEP)", "\(id)") { ck_ptrace_step(id) }
        return try wait()
    }

    private func wait() throws(KernelError) -> Stop {
        var status: Int32 = 0
        do throws(KernelError) {
            // unsafe: the kernel fills the status.
            try check("waitpid", "\(id)") { unsafe ck_wait_stop(id, &status) }
        } catch let error where error.errno == .noChild {
            isHeld = false
            return .ended
        }
        let stop = Self.stop(status, of: id)
        if stop == .ended { isHeld = false }
        return stop
    }

    /// From a status as wait(2) gives it; ptrace(2) describes the events.
    private static func stop(_ status: Int32, of id: Int32) -> Stop {
        if status & 0xff != 0x7f { return .ended }
        let signal = status >> 8 & 0xff
        switch status >> 16 {
        case 0: return .signal(signal)
        case Int32(CK_PTRACE_EVENT_STOP): return signal == SIGTRAP ? .interrupted : .jobControl(signal: signal)
        case Int32(CK_PTRACE_EVENT_FORK), Int32(CK_PTRACE_EVENT_VFORK), Int32(CK_PTRACE_EVENT_CLONE):
            var message: UInt = 0
            // unsafe: the kernel fills the message. It can only fail when the thread was killed.
            if unsafe ck_ptrace_get_event_message(id, &message) != 0 { return .ended }
            return .made(thread: Int32(truncatingIfNeeded: message))
        case let event: return .other(event: event)
        }
    }

    /// Holds every thread and process that this one makes from now on.
    public func followMaking() throws(KernelError) {
        let options = CK_PTRACE_O_TRACEFORK | CK_PTRACE_O_TRACEVFORK | CK_PTRACE_O_TRACECLONE
        try check("ptrace(SETOPTIONS)", "\(id)") { ck_ptrace_set_options(id, UInt64(options)) }
    }

    /// Lets the thread run on. Again is harmless.
    public func letGo() {
        if !isHeld { return }
        isHeld = false
        // One that was killed meanwhile cannot be detached and needs not be.
        _ = ck_ptrace_detach(id, withheldSignal)
    }

    /// Gives up a thread that has ended or was killed, without touching it.
    public func forget() { isHeld = false }

    /// Ends the thread's process by a signal that has its default action there, and waits for that.
    public func end(by signal: Int32) throws(KernelError) {
        // Which takes even what stands still.
        if signal == SIGKILL { return kill() }
        try setSignalMask(0)
        // A resumption delivers nothing unless the thread was stopped by that signal (ptrace(2), "Signal injection").
        try check("kill", "\(id)") { Glibc.kill(id, signal) }
        var stop = try resumeUntilStop()
        while stop != .ended { stop = try resumeUntilStop(delivering: stop == .signal(signal) ? signal : 0) }
    }

    /// Kills the thread's process and waits for the thread's end.
    public func kill() {
        if !isHeld { return }
        _ = Glibc.kill(id, SIGKILL)
        // Whatever it does before its end does not matter, nor that it has ended already.
        while isHeld { _ = try? wait() }
    }

    // MARK: State

    public func registers() throws(KernelError) -> ck_registers {
        var registers = ck_registers()
        // unsafe: the kernel fills the struct.
        try check("ptrace(GETREGSET)", "\(id)") { unsafe ck_ptrace_get_registers(id, &registers) }
        return registers
    }

    public func set(_ registers: ck_registers) throws(KernelError) {
        var registers = registers
        // unsafe: the kernel reads the struct.
        try check("ptrace(SETREGSET)", "\(id)") { unsafe ck_ptrace_set_registers(id, &registers) }
    }

    /// The state of floating-point and vector units, as XSAVE lays it out; its size is the processor's.
    public func extendedState() throws(KernelError) -> [UInt8] {
        var state = [UInt8](repeating: 0, count: Int(CK_XSTATE_LIMIT))
        // unsafe: the kernel fills at most the array.
        let size = try check("ptrace(GETREGSET, XSTATE)", "\(id)") {
            unsafe ck_ptrace_get_extended_state(id, &state, state.count)
        }
        return Array(state.prefix(size))
    }

    public func setExtendedState(_ state: [UInt8]) throws(KernelError) {
        // unsafe: the kernel reads the array.
        try check("ptrace(SETREGSET, XSTATE)", "\(id)") {
            unsafe ck_ptrace_set_extended_state(id, state, state.count)
        }
    }

    /// Blocked signals, bit n - 1 for signal n.
    public func signalMask() throws(KernelError) -> UInt64 {
        var mask: UInt64 = 0
        // unsafe: the kernel fills the mask.
        try check("ptrace(GETSIGMASK)", "\(id)") { unsafe ck_ptrace_get_signal_mask(id, &mask) }
        return mask
    }

    public func setSignalMask(_ mask: UInt64) throws(KernelError) {
        try check("ptrace(SETSIGMASK)", "\(id)") { ck_ptrace_set_signal_mask(id, mask) }
    }

    /// The restartable sequence area; address 0 when there is none.
    public func restartableSequence() throws(KernelError) -> ck_rseq {
        var area = ck_rseq()
        // unsafe: the kernel fills the struct.
        try check("ptrace(GET_RSEQ_CONFIGURATION)", "\(id)") { unsafe ck_ptrace_get_rseq(id, &area) }
        return area
    }

    /// The list of robust futexes: its head and the length of the head.
    public func robustList() throws(KernelError) -> (head: UInt64, length: UInt64) {
        var (head, length): (UInt64, UInt64) = (0, 0)
        // unsafe: the kernel fills both.
        try check("get_robust_list", "\(id)") { unsafe ck_get_robust_list(id, &head, &length) }
        return (head, length)
    }

    /// Pending signals, each as a siginfo of 128 bytes: the thread's own, or those of its process.
    public func pendingSignals(ofProcess: Bool) throws(KernelError) -> [[UInt8]] {
        var signals: [[UInt8]] = []
        while true {
            var info = [UInt8](repeating: 0, count: Int(CK_SIGNAL_INFO_SIZE))
            let index = UInt64(signals.count)
            // unsafe: the kernel fills the array.
            let count = try check("ptrace(PEEKSIGINFO)", "\(id)") {
                unsafe ck_ptrace_peek_signal(id, ofProcess ? 1 : 0, index, &info)
            }
            if count == 0 { return signals }
            signals.append(info)
        }
    }

    /// The siginfo of the signal that is about to be delivered.
    public func stoppingSignal() throws(KernelError) -> [UInt8] {
        var info = [UInt8](repeating: 0, count: Int(CK_SIGNAL_INFO_SIZE))
        // unsafe: the kernel fills the array.
        try check("ptrace(GETSIGINFO)", "\(id)") { unsafe ck_ptrace_get_signal_info(id, &info) }
        return info
    }
}
