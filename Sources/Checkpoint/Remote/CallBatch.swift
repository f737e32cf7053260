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
    /// Threads and processes that the calls have made, held, in their order.
    private(set) var made: [TracedThread] = []

    init(_ process: RemoteProcess, on thread: TracedThread) {
        guard let site = process.site else { preconditionFailure("a call site is installed before a batch is begun") }
        self.process = process
        self.thread = thread
        self.site = site
    }

    /// How much data one call can have.
    static var dataLimit: Int { Int(CallSite.dataSize - UInt64(CallSite.callLimit) * CallSite.callSize) }

    /// Makes room for data of calls that are added next, all of them together.
    ///
    /// - Returns: their addresses, valid until the next `place` or `finish`.
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

    /// Makes room for data that contains addresses of itself.
    mutating func place(_ size: Int, _ content: (_ address: UInt64) -> [UInt8]) throws(KernelError) -> UInt64 {
        let address = try place([UInt8](repeating: 0, count: size))
        let start = Int(address - site.scratch)
        data.replaceSubrange(start..<start + size, with: content(address))
        return address
    }

    /// Adds a call.
    ///
    /// - Parameters:
    ///   - mayFail: whether an error number is an answer.
    ///   - handover: which of the calls that are added next gets the result.
    mutating func add(
        _ call: SystemCall, _ arguments: [UInt64], mayFail: Bool = false, handover: RemoteCall.Handover? = nil
    ) throws(KernelError) {
        var ahead = 0
        if case .argument(_, let callsAhead) = handover { ahead = callsAhead }
        if calls.count + ahead >= CallSite.callLimit { try flush(keepingData: true) }
        calls.append(RemoteCall(call: call, arguments: arguments, mayFail: mayFail, handover: handover))
    }

    /// Makes what is left; the raw results of all calls since the last `finish`.
    @discardableResult
    mutating func finish() throws(KernelError) -> [Int64] {
        try flush()
        defer { results = [] }
        return results
    }

    /// What calls that were made have written to a place of theirs.
    func read(_ count: Int, at address: UInt64) throws(KernelError) -> [UInt8] {
        try process.memory.read(count, at: address)
    }

    private mutating func flush(keepingData: Bool = false) throws(KernelError) {
        if !data.isEmpty { try process.memory.write(data, at: site.scratch) }
        if !calls.isEmpty { results += try process.run(calls, on: thread) { made.append($0) } }
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
