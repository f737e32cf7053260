import Kernel

/// Collects system calls with their data, and makes them in as few runs as the call site has room for.
///
/// Calls are made at `finish`, or before when the room is used up: what one call gives, another of the same batch cannot use.
struct CallBatch {
    private let process: RemoteProcess
    private let thread: TracedThread
    private let site: CallSite
    private var calls: [RemoteCall] = []
    private var data: [UInt8] = []
    private var results: [Int64] = []

    init(_ process: RemoteProcess, on thread: TracedThread) {
        guard let site = process.site else { preconditionFailure("a call site is installed before a batch is begun") }
        self.process = process
        self.thread = thread
        self.site = site
    }

    /// How much data one call can have.
    static var dataLimit: Int { Int(CallSite.dataSize) - CallSite.callLimit * 64 }

    /// Makes room for data of calls that are added next, all of them together.
    ///
    /// - Returns: their addresses, valid until the next `finish` or `reserve`.
    mutating func place(_ pieces: [[UInt8]]) throws(KernelError) -> [UInt64] {
        let size = pieces.reduce(0) { $0 + ($1.count + 15) & ~15 }
        precondition(size <= Self.dataLimit, "data of one call is larger than a call site")
        if data.count + size > Self.dataLimit { try flush() }
        return pieces.map { piece in
            let address = site.scratch + UInt64(data.count)
            data += piece
            data += [UInt8](repeating: 0, count: ((piece.count + 15) & ~15) - piece.count)
            return address
        }
    }

    mutating func place(_ bytes: [UInt8]) throws(KernelError) -> UInt64 { try place([bytes])[0] }

    /// Adds a call.
    ///
    /// - Parameter mayFail: whether an error number is an answer.
    mutating func add(_ call: SystemCall, _ arguments: [UInt64], mayFail: Bool = false) throws(KernelError) {
        if calls.count == CallSite.callLimit { try flush(keepingData: true) }
        calls.append(RemoteCall(call: call, arguments: arguments, mayFail: mayFail))
    }

    /// Makes what is left; the raw results of all calls since the last `finish`.
    @discardableResult
    mutating func finish() throws(KernelError) -> [Int64] {
        try flush()
        defer { results = [] }
        return results
    }

    private mutating func flush(keepingData: Bool = false) throws(KernelError) {
        if !data.isEmpty { try process.memory.write(data, at: site.scratch) }
        if !calls.isEmpty { results += try process.run(calls, on: thread) }
        calls = []
        if !keepingData { data = [] }
    }
}

extension RemoteProcess {
    /// Makes one call; its raw result.
    @discardableResult
    func call(
        _ call: SystemCall, _ arguments: [UInt64], on thread: TracedThread, mayFail: Bool = false
    ) throws(KernelError) -> Int64 {
        try run([RemoteCall(call: call, arguments: arguments, mayFail: mayFail)], on: thread)[0]
    }

    /// Makes one call whose argument at `position` is the address of `bytes`; its raw result.
    @discardableResult
    func call(
        _ call: SystemCall, _ arguments: [UInt64], passing bytes: [UInt8], at position: Int, on thread: TracedThread,
        mayFail: Bool = false
    ) throws(KernelError) -> Int64 {
        guard let site else { preconditionFailure("a call site is installed before calls are made") }
        try memory.write(bytes, at: site.scratch)
        var arguments = arguments
        arguments.insert(site.scratch, at: position)
        return try self.call(call, arguments, on: thread, mayFail: mayFail)
    }
}
