import Kernel

/// Two pieces of memory in a process: a page with the loop that makes system calls from an array, and the array with room for
/// what its calls read and write.
struct CallSite: Equatable, Codable {
    /// Of the page with the code; the data follows it.
    let address: UInt64

    static let pageSize: UInt64 = 4096
    static let dataSize: UInt64 = 64 << 10
    static let size = pageSize + dataSize
    /// Calls of one run.
    static let callLimit = 256
    private static let callSize: UInt64 = 64

    var calls: UInt64 { address + Self.pageSize }
    var scratch: UInt64 { calls + UInt64(Self.callLimit) * Self.callSize }
    var end: UInt64 { address + Self.size }
    /// Where a thread stands after a run.
    var breakpoint: UInt64 { address + UInt64(Self.loop.count) }
    /// Where a thread sleeps for good, undisturbed by anything but SIGKILL.
    var parkingPlace: UInt64 { address + Self.parkingOffset }

    /// r12 points at the array, r13 counts its calls; each is a number, six arguments, and the place for the result.
    static let loop: [UInt8] = [
        0x4d, 0x85, 0xed,  //             test r13, r13
        0x74, 0x32,  //                   jz   the breakpoint
        0x49, 0x8b, 0x04, 0x24,  //       mov  rax, [r12]
        0x49, 0x8b, 0x7c, 0x24, 0x08,  // mov  rdi, [r12 + 8]
        0x49, 0x8b, 0x74, 0x24, 0x10,  // mov  rsi, [r12 + 16]
        0x49, 0x8b, 0x54, 0x24, 0x18,  // mov  rdx, [r12 + 24]
        0x4d, 0x8b, 0x54, 0x24, 0x20,  // mov  r10, [r12 + 32]
        0x4d, 0x8b, 0x44, 0x24, 0x28,  // mov  r8,  [r12 + 40]
        0x4d, 0x8b, 0x4c, 0x24, 0x30,  // mov  r9,  [r12 + 48]
        0x0f, 0x05,  //                   syscall
        0x49, 0x89, 0x44, 0x24, 0x38,  // mov  [r12 + 56], rax
        0x49, 0x83, 0xc4, 0x40,  //       add  r12, 64
        0x49, 0xff, 0xcd,  //             dec  r13
        0xeb, 0xc9,  //                   jmp  the start
        0xcc,  //                         int3
    ]
    private static let parkingOffset: UInt64 = 64
    private static let parking: [UInt8] = [
        0xb8, 0x22, 0x00, 0x00, 0x00,  // mov  eax, 34 (pause)
        0x0f, 0x05,  //                   syscall
        0xeb, 0xf7,  //                   jmp  the start
    ]

    /// The content of the code page, as far as it matters.
    static let code: [UInt8] =
        loop + [UInt8](repeating: 0xcc, count: Int(parkingOffset) - loop.count) + parking
}

/// One system call to be made, and its result afterwards.
struct RemoteCall {
    let call: SystemCall
    let arguments: [UInt64]
    /// Whether an error number is an answer rather than a failure.
    let mayFail: Bool

    /// As the loop reads it.
    var bytes: [UInt8] {
        let words = [call.rawValue] + arguments + [UInt64](repeating: 0, count: 7 - arguments.count)
        return words.flatMap(plainBytes)
    }
}

extension Int64 {
    /// The error number in a raw result of a system call; nil when it succeeded.
    var errno: Errno? { self < 0 && self > -4096 ? Errno(rawValue: Int32(-self)) : nil }
}
