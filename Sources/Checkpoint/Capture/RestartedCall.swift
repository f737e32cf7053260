import CKernel
import Kernel

/// A wait with a time limit that was interrupted before goes on by restart_syscall(2), for which the kernel remembers what it was.
/// A restored thread has nobody who remembers: it has to make the call itself.
enum RestartedCall {
    private static let restart: UInt64 = 219
    private static let interrupted: ClosedRange<Int64> = -516 ... -512
    /// poll, nanosleep, futex, clock_nanosleep: those that are continued so.
    private static let calls: Set<UInt64> = [7, 35, 202, 230]
    private static let instructionSize: UInt64 = 2
    /// How far before the call its number is looked for.
    private static let reach = 40

    /// Puts the number of the call itself into registers of a held thread, where it can be told.
    static func resolve(_ registers: inout ck_registers, of process: Int32) throws(KernelError) {
        guard registers.orig_rax == restart, interrupted.contains(Int64(bitPattern: registers.rax)) else { return }
        let end = registers.rip - instructionSize
        let code = try ProcessMemory(of: process).read(reach, at: end - UInt64(reach))
        if let number = number(setBy: code) { registers.orig_rax = number }
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
