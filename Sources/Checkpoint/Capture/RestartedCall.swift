import CKernel
import Kernel

/// A wait with a time limit that was interrupted before goes on by restart_syscall(2), for which the kernel remembers what it was.
/// A restored thread has nobody who remembers: it has to make the call itself.
enum RestartedCall {
    private static let restart: UInt64 = 219
    private static let interrupted: ClosedRange<Int64> = -516 ... -512
    /// poll, nanosleep, futex, clock_nanosleep: those that are continued so.
    private static let calls: Set<UInt64> = [7, 35, 202, 230]
    private static let instruction: [UInt8] = [0x0f, 0x05]
    private static let instructionSize: UInt64 = 2
    /// How far before the call its number is looked for.
    private static let reach = 40

    /// The wait with a time limit that a held thread is in, or is about to go on with; nil when it is in none or that is not known.
    ///
    /// - Parameter former: in which the thread was when it was held last.
    static func wait(_ registers: ck_registers, after former: KnownWaits.Wait?) -> KnownWaits.Wait? {
        let isInCall = interrupted.contains(Int64(bitPattern: registers.rax))
        guard isInCall || registers.rax == restart else { return nil }
        let end = registers.rip + (isInCall ? 0 : instructionSize)
        let place = [
            end, registers.rsp, registers.rdi, registers.rsi, registers.rdx, registers.r10, registers.r8, registers.r9,
        ]
        if calls.contains(registers.orig_rax) { return KnownWaits.Wait(number: registers.orig_rax, place: place) }
        return former.flatMap { $0.place == place ? $0 : nil }
    }

    /// Puts the number of the call itself into registers of a held thread, where it can be told.
    ///
    /// - Parameter known: the call, when it was seen before.
    static func resolve(_ registers: inout ck_registers, of process: Int32, known: UInt64?) throws(KernelError) {
        if registers.orig_rax == restart, interrupted.contains(Int64(bitPattern: registers.rax)) {
            let place = registers.rip - instructionSize
            if let known {
                registers.orig_rax = known
            } else if let number = try number(setBefore: place, in: ProcessMemory(of: process)) {
                registers.orig_rax = number
            }
        } else if registers.rax == restart {
            // It was let go a moment ago, and is held again before it has come to make the call.
            let memory = try ProcessMemory(of: process)
            guard try memory.read(instruction.count, at: registers.rip) == instruction else { return }
            if let known {
                registers.rax = known
            } else if let number = try number(setBefore: registers.rip, in: memory) {
                registers.rax = number
            }
            registers.orig_rax = UInt64.max
        }
    }

    private static func number(
        setBefore address: UInt64, in memory: borrowing ProcessMemory
    ) throws(KernelError) -> UInt64? {
        number(setBy: try memory.read(reach, at: address - UInt64(reach)))
    }

    /// The last `mov eax, number` before the call, which is how compilers and libraries choose one.
    private static func number(setBy code: [UInt8]) -> UInt64? {
        let size = 5
        for start in stride(from: code.count - size, through: 0, by: -1) where code[start] == 0xb8 {
            let number = code[(start + 1)..<(start + size)].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            if calls.contains(number) { return number }
        }
        return nil
    }
}
