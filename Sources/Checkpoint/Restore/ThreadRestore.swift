import CKernel
import Kernel

/// Gives one thread of a restored process its state.
struct ThreadRestore {
    let thread: TracedThread
    let image: ThreadImage
    let process: RestoringProcess

    /// What the thread has told the kernel about its memory, its name and scheduling.
    func register(_ batch: inout CallBatch) throws(KernelError) {
        try batch.add(.set_robust_list, [image.robustListHead, image.robustListLength])
        try batch.add(.set_tid_address, [image.clearedAtExit])
        if image.restartableSequence != 0 {
            try batch.add(
                .rseq,
                [
                    image.restartableSequence, UInt64(image.restartableSequenceSize), 0,
                    UInt64(image.restartableSequenceSignature),
                ])
        }
        let stack = try batch.place(image.alternateStack.bytes)
        try batch.add(.sigaltstack, [stack, 0])
        let name = try batch.place(Array(image.name.utf8.prefix(15)) + [0])
        try batch.add(.prctl, [Control.setName, name])
        let affinity = try batch.place(image.affinity.bytes)
        // Processors that this machine lacks, or a priority that the sandbox may not have: it runs where and as it may.
        try batch.add(
            .sched_setaffinity, [0, UInt64(image.affinity.bytes.count), affinity], mayFail: true)
        if image.schedulingPolicy != 0 {
            let priority = try batch.place(plainBytes(of: image.schedulingPriority) + [0, 0, 0, 0])
            try batch.add(.sched_setscheduler, [0, UInt64(image.schedulingPolicy), priority], mayFail: true)
        }
        if image.nice != 0 {
            try batch.add(.setpriority, [0, 0, UInt64(bitPattern: Int64(image.nice))], mayFail: true)
        }
        if image.transferPriority != 0 {
            let thisThread: UInt64 = 1
            try batch.add(.ioprio_set, [thisThread, 0, image.transferPriority], mayFail: true)
        }
    }

    /// By calls of the leader: the kernel lets nobody else send what claims to come from the kernel (kernel/signal.c,
    /// do_rt_tgsigqueueinfo).
    func queuePendingSignals(_ batch: inout CallBatch) throws(KernelError) {
        for info in image.pendingSignals {
            let content = try batch.place(info.bytes)
            try batch.add(
                .rt_tgsigqueueinfo,
                [UInt64(process.image.pid), UInt64(image.id), UInt64(info.bytes[0]), content], mayFail: true)
        }
    }

    func setRegisters() throws(KernelError) {
        // unsafe: an image holds a whole struct, which its check made sure of.
        var registers = unsafe image.registers.bytes.withUnsafeBytes { unsafe $0.loadUnaligned(as: ck_registers.self) }
        restart(&registers)
        try thread.set(registers)
        try thread.setExtendedState(image.extendedState.bytes)
        try thread.setSignalMask(image.signalMask)
    }

    /// A thread that was caught in a system call makes it again, as after a signal without a handler: the call's number is in
    /// orig_rax and one of the kernel's own error numbers in rax (include/linux/errno.h, ERESTARTSYS to ERESTART_RESTARTBLOCK).
    private func restart(_ registers: inout ck_registers) {
        let restartNumbers: ClosedRange<Int64> = -516 ... -512
        let instructionSize: UInt64 = 2
        if Int64(bitPattern: registers.orig_rax) >= 0, restartNumbers.contains(Int64(bitPattern: registers.rax)) {
            registers.rax = registers.orig_rax
            registers.rip -= instructionSize
        }
        registers.orig_rax = UInt64.max
    }
}

/// Makes a thread, which is root of the sandbox with all capabilities, who it was.
struct CredentialRestore {
    /// Changes of ids leave capabilities alone (capabilities(7), SECBIT_NO_SETUID_FIXUP).
    private static let keepCapabilities: UInt64 = 1 << 2
    private static let version: UInt32 = 0x2008_0522
    private static let capabilityCount: UInt64 = 64

    let image: Credentials

    func apply(_ batch: inout CallBatch) throws(KernelError) {
        try batch.add(.prctl, [Control.setSecureBits, Self.keepCapabilities])
        let groups = try batch.place(image.groups.flatMap(plainBytes))
        // Without subordinate ids there is no other group to have, and the kernel forbids setgroups.
        try batch.add(.setgroups, [UInt64(image.groups.count), groups], mayFail: image.groups.isEmpty)
        try batch.add(.setresgid, image.groupIDs.prefix(3).map(UInt64.init))
        try batch.add(.setresuid, image.userIDs.prefix(3).map(UInt64.init))
        // The ids for files follow the effective ones unless they were set apart; the calls give the former id.
        for (call, ids) in [(SystemCall.setfsgid, image.groupIDs), (.setfsuid, image.userIDs)] where ids[3] != ids[1] {
            try batch.add(call, [UInt64(ids[3])])
        }
        for capability in 0..<Self.capabilityCount where image.bounding >> capability & 1 == 0 {
            // Numbers beyond the last one that the kernel knows are refused.
            try batch.add(.prctl, [Control.dropBoundingCapability, capability], mayFail: true)
        }
        try batch.add(.prctl, [Control.setSecureBits, image.secureBits])
        let header = try batch.place(plainBytes(of: Self.version) + [0, 0, 0, 0])
        let sets = [image.effective, image.permitted, image.inheritable]
        let words = sets.map { UInt32(truncatingIfNeeded: $0) } + sets.map { UInt32(truncatingIfNeeded: $0 >> 32) }
        let data = try batch.place(words.flatMap(plainBytes))
        try batch.add(.capset, [header, data])
        for capability in 0..<Self.capabilityCount where image.ambient >> capability & 1 == 1 {
            try batch.add(.prctl, [Control.ambientCapability, Control.raiseAmbientCapability, capability, 0, 0])
        }
        if image.noNewPrivileges { try batch.add(.prctl, [Control.setNoNewPrivileges, 1, 0, 0, 0]) }
    }
}
