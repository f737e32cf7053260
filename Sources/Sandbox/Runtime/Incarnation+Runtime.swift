import Checkpoint
import JSON
import Kernel
import Store

extension Incarnation {
    /// What a capture has to know of the commands and processes that the engine holds ends of.
    ///
    /// What they have printed until everything stands still is read, and noted with all else that is known of them.
    private func captureRequest(_ ownFiles: OwnFiles) throws(SandboxError) -> CaptureRequest {
        let ends = try onKernel { () throws(KernelError) in try EngineEndName.present(in: processTable.all) }
        return CaptureRequest(
            initPid: namespaces.process.pid, waits: waits, excludedMarks: executionMarks, enginePipes: ends.pipes,
            engineTerminals: ends.terminals, isOwnFile: ownFiles.holds,
            companion: { [processTable] in
                processTable.drain()
                return processTable.record.json.serialized()
            })
    }

    /// The frozen copies of a capture are processes inside, until its memory is in templates: the next one would find them.
    private func settleCaptures() {
        uplink?.settle()
        settle()
        dependentCaptures.wait()
    }

    /// Runs `body` while every process stands still; how long they stood, in milliseconds.
    func whileStopped<Value: Sendable>(
        _ body: @escaping @Sendable () throws(SandboxError) -> Value
    ) throws(SandboxError) -> (value: Value, pauseMs: Double) {
        uplink?.settle()
        settle()
        return try RuntimeCapture.whileHeld(namespaces.process.pid, waits, body)
    }

    /// As the other one; `body` gets the files that the processes share, or nil when it cannot be told what they write.
    func whileStopped<Value: Sendable>(
        _ body: @escaping @Sendable (SharedFiles?) throws(SandboxError) -> Value
    ) throws(SandboxError) -> (value: Value, pauseMs: Double) {
        settleCaptures()
        return try RuntimeCapture.whileHeld(namespaces.process.pid, waits, body)
    }

    /// Captures the processes, without those of commands under way, and runs `body` while everything stands still.
    func captureRuntime<Value: Sendable>(
        requiringAll: Bool, program: TemplateProgram, storingIn folder: StateFolder?, ownFiles: OwnFiles,
        _ body: @escaping @Sendable () throws(SandboxError) -> Value
    ) throws(SandboxError) -> CapturedRuntime<Value> {
        settleCaptures()
        processTable.pause()
        defer { processTable.resume() }
        let request = try captureRequest(ownFiles)
        dependentCaptures.enter()
        return try RuntimeCapture.perform(
            request, requiresAll: requiringAll, program: program, storingIn: folder, history: captureHistory,
            isIndependent: { [dependentCaptures] in dependentCaptures.leave() }, whileHeld: body)
    }

    /// Captures all processes to the disk and calls `body` while they still stand, for it to end them.
    func takeAway(
        to folder: StateFolder, ownFiles: OwnFiles, _ body: @escaping @Sendable () throws(SandboxError) -> Void
    ) throws(SandboxError) {
        settleCaptures()
        processTable.pause()
        defer { processTable.resume() }
        try RuntimeCapture.takeAway(try captureRequest(ownFiles), to: folder, body)
    }

    /// What a capture would keep now.
    func explainRuntime(ownFiles: OwnFiles) throws(SandboxError) -> RuntimeExplanation {
        settleCaptures()
        let request = try captureRequest(ownFiles)
        do throws(CheckpointError) {
            return try RuntimeCapture.explain(request)
        } catch {
            throw SandboxError(error)
        }
    }

    /// Brings captured processes to life, those with an id under the same one. Nothing else may have been started.
    ///
    /// - Parameters:
    ///   - table: the processes with an id among them.
    ///   - source: the snapshot or sandbox that they are of, for messages.
    func restore(
        _ state: RuntimeState, _ table: ProcessTableRecord, of source: String, filter: [UInt8]
    ) throws(SandboxError) {
        do throws(CheckpointError) {
            try state.restore(
                into: RestoreTarget(
                    initPid: namespaces.process.pid, controlGroups: namespaces.controlGroup.birthplaces, filter: filter,
                    history: captureHistory, waitForRoot: { [self] in settle() })
            ) { [self] restored throws(KernelError) in
                for record in table.processes { try reconnect(record, EngineEndName.ends(of: record, in: restored)) }
            }
        } catch {
            throw SandboxError(error, of: source)
        }
    }
}
