import Kernel

/// Everything of a process that must survive it to be the same process in another incarnation.
struct ManagedProcessRecord: Sendable, Equatable {
    /// What it has printed and is still kept, and which streams have ended.
    struct Output: Sendable, Equatable {
        var ring: OutputRing
        var ended: [CommandStream: OutputEnd]
        /// The streams that have not ended.
        var open: Set<CommandStream>
    }

    /// The `n` of its id `pn`.
    var number: Int
    /// Inside the sandbox.
    var pid: Int32
    var name: String?
    var program: SandboxCommand.Program
    var startedAt: FileTime
    var origin: ManagedProcess.Origin
    var terminal: TerminalDimensions?
    /// Whether its standard input leads to the engine and is open.
    var hasInput: Bool
    /// Nil when none of its output leads to the engine.
    var output: Output?
    /// Nil while it runs.
    var exit: ProcessExit?

    var id: String { "p\(number)" }
}

/// The processes of a sandbox that have an id, as they are captured.
struct ProcessTableRecord: Sendable, Equatable {
    /// The number of the next process; more than every one that was given.
    var nextNumber: Int
    /// Oldest first.
    var processes: [ManagedProcessRecord]
}

/// How the engine's ends of a process's pipes and terminal are recognised among the descriptors of the sandbox.
struct EngineEndIdentities: Sendable, Equatable {
    /// Inode numbers of the pipes: both ends of a pipe are one inode.
    var input: UInt64?
    var output: UInt64?
    var errorOutput: UInt64?
    /// The number of the terminal in the sandbox's devpts.
    var terminal: Int32?
}

/// The engine's ends of a process that runs again in another incarnation.
struct ProcessEnds: ~Copyable {
    /// The write end of the pipe that is its standard input.
    var input: OwnedFD?
    /// The read ends.
    var output: OwnedFD?
    var errorOutput: OwnedFD?
    /// The master of its terminal, instead of the three.
    var terminal: OwnedFD?

    init(
        input: consuming OwnedFD? = nil, output: consuming OwnedFD? = nil, errorOutput: consuming OwnedFD? = nil,
        terminal: consuming OwnedFD? = nil
    ) {
        self.input = input
        self.output = output
        self.errorOutput = errorOutput
        self.terminal = terminal
    }
}
