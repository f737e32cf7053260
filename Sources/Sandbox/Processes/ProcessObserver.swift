import Kernel

/// Which process of which sandbox.
public struct ProcessAddress: Sendable, Hashable {
    public let sandbox: String
    public let process: String
}

/// How a process ended, as far as it is known.
public enum ProcessExit: Sendable, Equatable {
    case status(ExitStatus)
    /// It is gone, and its status went to another process, or went with the sandbox.
    case unknown
}

/// Why no more output of a stream will come.
public enum OutputEnd: String, Sendable {
    /// Everybody who could write to it has closed it.
    case eof
    /// A rollback, a hibernation, a destroy or the engine's end cut it off.
    case interrupted
}

/// Output of one stream of a process.
public struct OutputPiece: Sendable {
    public let stream: CommandStream
    public let bytes: ArraySlice<UInt8>
    /// The process's cursor at the first of the bytes.
    public let cursor: Int
    /// Whether bytes that come later do not continue these: the stream has ended, or the other one goes on.
    public let isCut: Bool
}

/// Where sandboxes' processes report to. Calls come one at a time for one process.
public protocol ProcessObserver: Sendable {
    /// Takes output of a process that the client is attached to.
    ///
    /// - Parameter resume: called when more can be taken, after `goesOn` was false.
    /// - Returns: how many of the bytes were taken; the rest is offered again, together with what comes then. A piece that is
    ///   cut is taken whole. And whether more can be taken now.
    func take(
        _ output: OutputPiece, of process: ProcessAddress, resume: @escaping @Sendable () -> Void
    ) -> (count: Int, goesOn: Bool)

    /// All output of a stream that the client is attached to was taken.
    func outputEnded(_ stream: CommandStream, of process: ProcessAddress, _ reason: OutputEnd)

    func exited(_ process: ProcessAddress, _ exit: ProcessExit)
}
