import Kernel

/// A process whose threads are held and made to run system calls.
///
/// Belongs to the tracing thread, like the threads.
final class RemoteProcess {
    /// In the engine's numbering.
    let pid: Int32
    let memory: ProcessMemory
    /// Nil until it was installed or taken over.
    var site: CallSite?
    private var knownInstruction: UInt64?

    init(_ pid: Int32) throws(KernelError) {
        self.pid = pid
        memory = try ProcessMemory(of: pid)
    }

    // MARK: The call site

    /// Maps a call site, by two single steps on a `syscall` instruction that the process has.
    ///
    /// - Parameter address: a free place, or nil: the kernel chooses.
    func installSite(on thread: TracedThread, at address: UInt64? = nil) throws(KernelError) {
        let (none, readExecute, readWrite): (UInt64, UInt64, UInt64) = (UInt64.max, 1 | 4, 1 | 2)
        let privateAnonymous: UInt64 = 0x22
        let fixedNoReplace: UInt64 = 0x100000
        let flags = privateAnonymous | (address == nil ? 0 : fixedNoReplace)
        let place = try stepCall(.mmap, [address ?? 0, CallSite.size, readExecute, flags, none, 0], on: thread)
        let site = CallSite(address: UInt64(bitPattern: place))
        _ = try stepCall(.mprotect, [site.calls, CallSite.dataSize, readWrite], on: thread)
        try memory.write(CallSite.code, at: site.address)
        self.site = site
    }

    func removeSite(on thread: TracedThread) throws(KernelError) {
        guard let site else { return }
        // By the site's own instruction: a thread that steps is stopped before it would read the next one.
        _ = try stepCall(.munmap, [site.address, CallSite.size], on: thread)
        self.site = nil
    }

    /// Makes one system call on a `syscall` instruction and puts the registers back.
    func stepCall(
        _ call: SystemCall, _ arguments: [UInt64], on thread: TracedThread
    ) throws(KernelError) -> Int64 {
        let before = try thread.registers()
        var registers = before
        let padded = arguments + [UInt64](repeating: 0, count: 6 - arguments.count)
        registers.rip = try systemCallInstruction()
        registers.rax = call.rawValue
        registers.orig_rax = UInt64.max
        (registers.rdi, registers.rsi, registers.rdx) = (padded[0], padded[1], padded[2])
        (registers.r10, registers.r8, registers.r9) = (padded[3], padded[4], padded[5])
        try thread.set(registers)
        var stop = try thread.step()
        // One that a stop signal holds tells of that first (ptrace(2), "Group-stop"); one that was seized while a signal was on its
        // way still has the interruption before it.
        while stop.isMereNews { stop = try thread.step() }
        guard stop == .signal(5) else { throw failure(call, stop) }
        let result = Int64(bitPattern: try thread.registers().rax)
        try thread.set(before)
        if let errno = result.errno { throw KernelError(call.name, "in process \(pid)", errno: errno) }
        return result
    }

    private func systemCallInstruction() throws(KernelError) -> UInt64 {
        if let site { return site.systemCallInstruction }
        if let knownInstruction { return knownInstruction }
        let found = try findSystemCallInstruction()
        knownInstruction = found
        return found
    }

    private func findSystemCallInstruction() throws(KernelError) -> UInt64 {
        for area in try MemoryMap.read(of: pid) where area.name == "[vdso]" {
            let code = try memory.read(Int(area.end - area.start), at: area.start)
            for offset in code.indices.dropLast() where code[offset] == 0x0f && code[offset + 1] == 0x05 {
                return area.start + UInt64(offset)
            }
        }
        throw KernelError("ptrace", "process \(pid) has no vdso", errno: .notSupported)
    }

    // MARK: Batches

    /// Makes the calls of an array, at most `CallSite.callLimit`, one after another; their raw results.
    ///
    /// - Parameter onNewThread: gets each thread or process that a call makes, held.
    func run(
        _ calls: [RemoteCall], on thread: TracedThread,
        onNewThread: (TracedThread) -> Void = { _ in }
    ) throws(KernelError) -> [Int64] {
        guard let site else { preconditionFailure("a call site is installed before calls are made") }
        try write(calls, at: site)
        let before = try thread.registers()
        var registers = before
        registers.rip = site.address
        registers.r12 = site.calls
        registers.r13 = UInt64(calls.count)
        registers.orig_rax = UInt64.max
        try thread.set(registers)
        var stop = try thread.resumeUntilStop()
        while true {
            switch stop {
            case .made(let id):
                onNewThread(try TracedThread(madeByHeldThread: id))
            case .interrupted, .jobControl: break
            case .signal(5):
                let registers = try thread.registers()
                guard registers.rip == site.breakpoint else { throw failure(calls.first?.call, stop) }
                try thread.set(before)
                return try results(of: calls, at: site)
            case .signal, .other, .ended: throw failure(calls.first?.call, stop)
            }
            stop = try thread.resumeUntilStop()
        }
    }

    /// Makes the process exit and waits for that.
    func exit(code: Int32, on thread: TracedThread) throws(KernelError) {
        guard let site else { preconditionFailure("a call site is installed before calls are made") }
        let call = RemoteCall(call: .exit_group, arguments: [UInt64(code)], mayFail: false)
        try write([call], at: site)
        var registers = try thread.registers()
        (registers.rip, registers.r12, registers.r13) = (site.address, site.calls, 1)
        registers.orig_rax = UInt64.max
        try thread.set(registers)
        let stop = try thread.resumeUntilStop()
        if stop != .ended { throw failure(.exit_group, stop) }
    }

    private func write(_ calls: [RemoteCall], at site: CallSite) throws(KernelError) {
        var words: [UInt64] = []
        words.reserveCapacity(calls.count * CallSite.wordsPerCall)
        for (index, call) in calls.enumerated() {
            words += call.words(at: site.calls + UInt64(index) * CallSite.callSize)
        }
        try memory.write(words, at: site.calls)
    }

    private func results(of calls: [RemoteCall], at site: CallSite) throws(KernelError) -> [Int64] {
        let (size, offset) = (Int(CallSite.callSize), Int(RemoteCall.resultOffset))
        let bytes = try memory.read(calls.count * size, at: site.calls)
        let results = (0..<calls.count).map { index in
            // unsafe: the array holds `size` bytes for each call, the result among them.
            unsafe bytes.withUnsafeBytes {
                unsafe $0.loadUnaligned(fromByteOffset: index * size + offset, as: Int64.self)
            }
        }
        for (call, result) in zip(calls, results) where !call.mayFail {
            if let errno = result.errno {
                let arguments = call.arguments.map { "0x" + String($0, radix: 16) }.joined(separator: ", ")
                throw KernelError("\(call.call.name)(\(arguments))", "in process \(pid)", errno: errno)
            }
        }
        return results
    }

    private func failure(_ call: SystemCall?, _ stop: TracedThread.Stop) -> KernelError {
        KernelError("ptrace", "process \(pid) stopped by \(stop) at \(call?.name ?? "nothing")", errno: .noSuchProcess)
    }
}
