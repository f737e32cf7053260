import Glibc
import Kernel

/// Why something asked of a process was not done.
public enum ProcessFailure: Error {
    case refused(SandboxError)
    /// The request was cancelled; of a write, what had been written.
    case cancelled(written: Int?)
    /// The sandbox was destroyed or rolled back, or failed, meanwhile.
    case sandboxGone
}

extension Sandbox {
    // MARK: Starting and listing

    /// Starts a process that lives on until it ends by itself or with the sandbox.
    public func startProcess(
        _ command: SandboxCommand, _ options: ProcessOptions
    ) async throws(SandboxError) -> ProcessDescription {
        try await waitForNetwork()
        let result = await withCheckedContinuation {
            (continuation: CheckedContinuation<Result<ManagedProcess, SandboxError>, Never>) in
            do throws(SandboxError) {
                let (incarnation, prepared) = try prepare(command)
                supervision.watch.noticeWork()
                try incarnation.start(prepared, command.program, options) { continuation.resume(returning: $0) }
            } catch {
                continuation.resume(returning: .failure(error))
            }
        }
        return try result.get().describe()
    }

    /// Oldest first; blocks while it looks at what runs.
    public func processes() throws(SandboxError) -> [ProcessDescription] {
        let incarnation = try running()
        try onKernel { () throws(KernelError) in try incarnation.lookForLeftBehind() }
        return incarnation.processTable.all.map { $0.describe() }
    }

    public func process(_ id: String) throws(SandboxError) -> ProcessDescription {
        try managed(id).describe()
    }

    private func managed(_ id: String) throws(SandboxError) -> ManagedProcess {
        try running().processTable.process(id)
    }

    // MARK: Input

    /// Queues bytes for a process's standard input.
    ///
    /// - Returns: waits until they are written; how many were. Cancelling the task takes back what was not.
    public func write(
        _ bytes: [UInt8], to id: String
    ) throws(SandboxError) -> @Sendable () async throws(ProcessFailure) -> Int {
        guard let input = try managed(id).input else { throw .standardInputClosed(id) }
        return PendingWrite(bytes, to: input, of: id).wait
    }

    /// Ends a process's standard input after what is queued; in a terminal it types the end-of-file character.
    public func closeInput(of id: String) throws(SandboxError) {
        let process = try managed(id)
        guard let input = process.input else { throw .standardInputClosed(id) }
        if !process.hasTerminal {
            if !input.close() { throw .standardInputClosed(id) }
            return
        }
        if !input.isOpen { throw .standardInputClosed(id) }
        let character = try onKernel { () throws(KernelError) in try process.endOfFileCharacter() }
        // Nobody waits for it: it is typed when what is queued before it was.
        if let character { _ = input.write([character]) { _ in } }
    }

    /// - Throws: `noTerminal` when it has none.
    public func resizeTerminal(of id: String, to size: TerminalDimensions) throws(SandboxError) {
        let process = try managed(id)
        if !process.hasTerminal { throw .noTerminal(id) }
        try onKernel { () throws(KernelError) in try process.resize(size) }
    }

    /// Sends a signal to a process, not to its children. One that has ended is no error.
    public func signal(_ number: Int32, to id: String) throws(SandboxError) {
        let incarnation = try running()
        let process = try incarnation.processTable.process(id)
        if !process.isRunning { return }
        try onKernel { () throws(KernelError) in try incarnation.signal(number, to: process) }
    }

    // MARK: Output and the end

    /// Attaches the client to a process's output.
    ///
    /// - Returns: where the replay begins, and what makes it begin.
    public func attach(
        to id: String, cursor: Int
    ) throws(SandboxError) -> (cursor: Int, begin: @Sendable () -> Void) {
        guard let output = try managed(id).output else { throw .outputNotKept(id) }
        return output.attach(at: cursor)
    }

    public func detach(from id: String) throws(SandboxError) { try managed(id).output?.detach() }

    /// Waits until a process has exited, or until the time is over; it as it is then.
    public func waitForProcess(
        _ id: String, timeout: Duration?
    ) async throws(ProcessFailure) -> ProcessDescription {
        let process: ManagedProcess
        do throws(SandboxError) { process = try managed(id) } catch { throw .refused(error) }
        switch await process.wait(for: timeout) {
        case .exited, .timedOut: return process.describe()
        case .cancelled: throw .cancelled(written: nil)
        case .sandboxGone: throw .sandboxGone
        }
    }
}
