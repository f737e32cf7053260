import Kernel
import Synchronization

/// How a long-lived process is to be started.
public struct ProcessOptions: Sendable {
    public var name: String?
    /// Whether its standard input can be written to; it is empty otherwise. A terminal always can.
    public var hasInput: Bool
    /// Standard input, output and error are a terminal of this size.
    public var terminal: TerminalDimensions?

    public init(name: String? = nil, hasInput: Bool = false, terminal: TerminalDimensions? = nil) {
        self.name = name
        self.hasInput = hasInput
        self.terminal = terminal
    }
}

extension Incarnation {
    typealias Start = @Sendable (Result<ManagedProcess, SandboxError>) -> Void

    /// Starts a long-lived process. `completion` is called once, on the event loop's thread, unless this throws.
    func start(
        _ command: PreparedCommand, _ program: SandboxCommand.Program, _ options: ProcessOptions,
        completion: @escaping Start
    ) throws(SandboxError) {
        var command = command
        command.hasTerminal = options.terminal != nil
        let payload = try command.payload()
        settle()
        let prepared = command
        try onKernel { () throws(KernelError) in
            let number = processTable.takeNumber(startingWith: prepared.mark)
            let output = ManagedOutput(
                of: processTable.address(of: number), observer: processTable.observer, loop: loop)
            do throws(KernelError) {
                let spawn = Spawn(
                    command: prepared, payload: payload, program: program, options: options, number: number,
                    output: output, completion: completion)
                if let size = options.terminal {
                    try startOnTerminal(spawn, size)
                } else {
                    try startOnPipes(spawn)
                }
            } catch {
                processTable.started(prepared.mark)
                output.interrupt()
                throw error
            }
        }
    }

    /// A process that is being started.
    private struct Spawn: Sendable {
        let command: PreparedCommand
        let payload: [UInt8]
        let program: SandboxCommand.Program
        let options: ProcessOptions
        let number: Int
        let output: ManagedOutput
        let completion: Start
    }

    private func startOnPipes(_ spawn: Spawn) throws(KernelError) {
        var output = try Pipe()
        var errorOutput = try Pipe()
        try spawn.output.read(.standardOutput, from: output.takeReadEnd())
        try spawn.output.read(.standardError, from: errorOutput.takeReadEnd())
        if spawn.options.hasInput {
            var pipe = try Pipe()
            let input = try ManagedInput(pipe.takeWriteEnd(), loop: loop)
            try send(spawn, input, [pipe.readDescriptor, output.writeDescriptor, errorOutput.writeDescriptor])
        } else {
            try send(spawn, nil, [nullDevice.rawValue, output.writeDescriptor, errorOutput.writeDescriptor])
        }
    }

    private func startOnTerminal(_ spawn: Spawn, _ size: TerminalDimensions) throws(KernelError) {
        let terminal = try PseudoTerminal(at: "dev/pts/ptmx", in: try root(), size)
        let slave = try terminal.openSlave()
        // As login(1) does: the user may open it by its name, too.
        let uid = spawn.command.user.uid
        if uid != 0 { try slave.setOwner(uid, group: try slave.status().group) }
        let master = terminal.takeMaster()
        let input = try ManagedInput(try master.duplicate(), loop: loop)
        do throws(KernelError) {
            try spawn.output.read(.standardOutput, from: master)
            try send(spawn, input, [slave.rawValue, slave.rawValue, slave.rawValue])
        } catch {
            input.interrupt()
            throw error
        }
    }

    private func send(_ spawn: Spawn, _ input: ManagedInput?, _ descriptors: [Int32]) throws(KernelError) {
        let begun = FileTime.now
        let process = Mutex<ManagedProcess?>(nil)
        try namespaces.channel.spawn(
            spawn.payload, descriptors: descriptors,
            started: { [processTable] result in
                switch result {
                case .success(let pid):
                    let started = ManagedProcess(
                        number: spawn.number, pid: pid, name: spawn.options.name, program: spawn.program,
                        startedAt: begun, origin: .started(spawn.command.mark), output: spawn.output, input: input,
                        terminal: spawn.options.terminal)
                    process.withLock { $0 = started }
                    processTable.add(started)
                    spawn.completion(.success(started))
                case .failure(let refusal):
                    input?.interrupt()
                    spawn.output.interrupt()
                    spawn.completion(.failure(spawn.command.error(for: refusal)))
                }
                processTable.started(spawn.command.mark)
            },
            exited: { [weak self] exit in
                self?.count(exit)
                guard let self, let process = process.withLock({ $0 }) else { return }
                processTable.exited(process, .status(exit.status))
            })
    }

    /// Sends a signal to a process. One that has ended is no error.
    func signal(_ number: Int32, to process: ManagedProcess) throws(KernelError) {
        try processes.signal(number, to: process.pid) { folder throws(KernelError) in
            switch process.origin {
            case .started(let mark): mark.appears(inLimits: try ProcFS.read("limits", in: folder.rawValue))
            case .leftBehind(let ticks): try ProcessStat(in: folder.rawValue)?.startTicks == ticks
            }
        }
    }
}
