import Checkpoint
import Kernel

/// What captures call the engine's ends of a process's pipes and terminal.
enum EngineEndName: String {
    case input, output, errorOutput, terminal

    private func of(_ number: Int) -> String { "p\(number) \(rawValue)" }

    /// What is open now: names of pipes by their inode numbers, terminals by their numbers in the sandbox.
    static func present(
        in processes: [ManagedProcess]
    ) throws(KernelError) -> (pipes: [UInt64: String], terminals: [Int32: EngineTerminal]) {
        var pipes: [UInt64: String] = [:]
        var terminals: [Int32: EngineTerminal] = [:]
        for process in processes {
            let ends = try process.endIdentities()
            if let inode = ends.input { pipes[inode] = input.of(process.number) }
            if let inode = ends.output { pipes[inode] = output.of(process.number) }
            if let inode = ends.errorOutput { pipes[inode] = errorOutput.of(process.number) }
            if let number = ends.terminal, let master = try process.duplicateTerminal() {
                terminals[number] = EngineTerminal(name: terminal.of(process.number), master: master)
            }
        }
        return (pipes, terminals)
    }

    /// The ends of a process that was captured; nil when it ran then and was not restored.
    static func ends(of record: ManagedProcessRecord, in restored: RestoredRuntime) -> ProcessEnds? {
        if record.exit == nil, restored.pids[record.pid] == nil { return nil }
        var ends = ProcessEnds()
        // Input that the client had closed, or was about to, is closed: what had been written lies in the pipe.
        if record.hasInput { ends.input = restored.engineEnds[input.of(record.number)]?.take() }
        ends.output = restored.engineEnds[output.of(record.number)]?.take()
        ends.errorOutput = restored.engineEnds[errorOutput.of(record.number)]?.take()
        ends.terminal = restored.engineEnds[terminal.of(record.number)]?.take()
        return ends
    }
}
