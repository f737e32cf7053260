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
    /// As the loop reads them: a number, six arguments, the result, and where else the result goes.
    static let wordsPerCall = 9
    static let callSize = UInt64(wordsPerCall * 8)

    var calls: UInt64 { address + Self.pageSize }
    var scratch: UInt64 { calls + UInt64(Self.callLimit) * Self.callSize }
    var end: UInt64 { address + Self.size }
    var systemCallInstruction: UInt64 { address + Self.instructionOffset }
    /// Where a thread stands after a run.
    var breakpoint: UInt64 { address + UInt64(Self.loop.count) }
    /// Where a thread sleeps for good, undisturbed by anything but SIGKILL.
    var parkingPlace: UInt64 { address + Self.parkingOffset }

    /// r12 points at the array, r13 counts its calls.
    static let loop: [UInt8] = [
        0x4d, 0x85, 0xed,  //             test r13, r13
        0x74, 0x3a,  //                   jz   the breakpoint
        0x49, 0x8b, 0x04, 0x24,  //       mov  rax, [r12]
        0x49, 0x8b, 0x7c, 0x24, 0x08,  // mov  rdi, [r12 + 8]
        0x49, 0x8b, 0x74, 0x24, 0x10,  // mov  rsi, [r12 + 16]
        0x49, 0x8b, 0x54, 0x24, 0x18,  // mov  rdx, [r12 + 24]
        0x4d, 0x8b, 0x54, 0x24, 0x20,  // mov  r10, [r12 + 32]
        0x4d, 0x8b, 0x44, 0x24, 0x28,  // mov  r8,  [r12 + 40]
        0x4d, 0x8b, 0x4c, 0x24, 0x30,  // mov  r9,  [r12 + 48]
        0x0f, 0x05,  //                   syscall
        0x49, 0x89, 0x44, 0x24, 0x38,  // mov  [r12 + 56], rax
        0x49, 0x8b, 0x4c, 0x24, 0x40,  // mov  rcx, [r12 + 64]
        0x48, 0x89, 0x01,  //             mov  [rcx], rax
        0x49, 0x83, 0xc4, 0x48,  //       add  r12, 72
        0x49, 0xff, 0xcd,  //             dec  r13
        0xeb, 0xc1,  //                   jmp  the start
        0xcc,  //                         int3
    ]
    private static let instructionOffset: UInt64 = 39
    private static let parkingOffset: UInt64 = 80
    private static let parking: [UInt8] = [
        0xb8, 0x22, 0x00, 0x00, 0x00,  // mov  eax, 34 (pause)
        0x0f, 0x05,  //                   syscall
        0xeb, 0xf7,  //                   jmp  the start
    ]

    /// The content of the code page, as far as it matters.
    static let code: [UInt8] =
        loop + [UInt8](repeating: 0xcc, count: Int(parkingOffset) - loop.count) + parking
}

/// One system call to be made.
struct RemoteCall {
    let call: SystemCall
    let arguments: [UInt64]
    /// Whether an error number is an answer rather than a failure.
    let mayFail: Bool
    /// Where else its result is needed in the same run; nil: nowhere.
    var handover: Handover?

    enum Handover {
        /// In an argument, from 0 on, of a later call; the one that follows is 1 ahead.
        case argument(Int, callsAhead: Int)
        /// In data of a later call, eight bytes.
        case data(UInt64)
    }

    /// As the loop reads it at a place.
    func words(at place: UInt64) -> [UInt64] {
        var words = [UInt64](repeating: 0, count: CallSite.wordsPerCall)
        words[0] = call.rawValue
        for (index, argument) in arguments.enumerated() { words[1 + index] = argument }
        words[8] =
            switch handover {
            case nil: place + Self.resultOffset
            case .argument(let index, let callsAhead):
                place + UInt64(callsAhead) * CallSite.callSize + UInt64(1 + index) * 8
            case .data(let address): address
            }
        return words
    }
    static let resultOffset: UInt64 = 56
}

extension Int64 {
    /// The error number in a raw result of a system call; nil when it succeeded.
    var errno: Errno? { self < 0 && self > -4096 ? Errno(rawValue: Int32(-self)) : nil }
}
