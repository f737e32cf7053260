import Kernel

extension Incarnation {
    /// Lists a process of a captured table again, with the same id.
    ///
    /// Before the process runs on, if it runs here: else its end could be missed.
    ///
    /// - Parameters:
    ///   - ends: the engine's ends of its pipes or its terminal; nil when the process was not restored: it is listed as ended,
    ///     without an exit code, unless it had ended before it was captured.
    func reconnect(_ record: ManagedProcessRecord, _ ends: consuming ProcessEnds?) throws(KernelError) {
        let isLost = ends == nil && record.exit == nil
        let output = record.output.map { captured in
            ManagedOutput(
                of: processTable.address(of: record.number), ring: captured.ring, ended: captured.ended,
                observer: processTable.observer, loop: loop)
        }
        var input: ManagedInput?
        do throws(KernelError) {
            if var ends = ends.take() { input = try connect(&ends, output) }
        } catch {
            output?.interrupt()
            throw error
        }
        if let output, let open = record.output?.open { output.interrupt(unread: open) }
        let process = ManagedProcess(
            number: record.number, pid: record.pid, name: record.name, program: record.program,
            startedAt: record.startedAt, origin: isLost ? record.origin : try originHere(of: record), output: output,
            input: input, terminal: record.terminal, exit: isLost ? .unknown : record.exit)
        processTable.add(process)
        if !process.isRunning { return }
        if process.mark == nil { return try watch([process]) }
        namespaces.channel.adopt(record.pid) { [weak self, weak process] exit in
            self?.count(exit)
            guard let self, let process else { return }
            processTable.exited(process, .status(exit.status))
        }
    }

    /// A process that runs again started at another time by the machine's clock.
    private func originHere(of record: ManagedProcessRecord) throws(KernelError) -> ManagedProcess.Origin {
        guard case .leftBehind = record.origin, record.exit == nil, let stat = try processes.stat(of: record.pid) else {
            return record.origin
        }
        return .leftBehind(startTicks: stat.startTicks)
    }

    private func connect(_ ends: inout ProcessEnds, _ output: ManagedOutput?) throws(KernelError) -> ManagedInput? {
        if let terminal = ends.terminal.take() {
            let input = try ManagedInput(try terminal.duplicate(), loop: loop)
            try output?.read(.standardOutput, from: terminal)
            return input
        }
        if let end = ends.output.take() { try output?.read(.standardOutput, from: end) }
        if let end = ends.errorOutput.take() { try output?.read(.standardError, from: end) }
        guard let end = ends.input.take() else { return nil }
        return try ManagedInput(end, loop: loop)
    }
}
