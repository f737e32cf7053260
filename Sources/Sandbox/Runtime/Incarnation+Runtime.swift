import Checkpoint
import Kernel

extension Incarnation {
    /// What a capture has to know of the commands and processes that the engine holds ends of.
    private func captureRequest() -> CaptureRequest {
        CaptureRequest(initPid: namespaces.process.pid, excludedMarks: executionMarks)
    }

    /// The frozen copies of a capture are processes inside, until its memory is in templates: the next one would find them.
    private func settleCaptures() {
        settle()
        dependentCaptures.wait()
    }

    /// Runs `body` while every process stands still; how long they stood, in milliseconds.
    func whileStopped<Value: Sendable>(
        _ body: @escaping @Sendable () throws(SandboxError) -> Value
    ) throws(SandboxError) -> (value: Value, pauseMs: Double) {
        settle()
        return try RuntimeCapture.whileHeld(namespaces.process.pid, body)
    }

    /// Captures the processes, without those of commands under way, and runs `body` while everything stands still.
    func captureRuntime<Value: Sendable>(
        requiringAll: Bool, program: TemplateProgram, storingIn folder: StateFolder?,
        _ body: @escaping @Sendable () throws(SandboxError) -> Value
    ) throws(SandboxError) -> CapturedRuntime<Value> {
        settleCaptures()
        dependentCaptures.enter()
        return try RuntimeCapture.perform(
            captureRequest(), requiresAll: requiringAll, program: program, storingIn: folder,
            isIndependent: { [dependentCaptures] in dependentCaptures.leave() }, whileHeld: body)
    }

    /// Captures all processes to the disk and calls `body` while they still stand, for it to end them.
    func takeAway(
        to folder: StateFolder, _ body: @escaping @Sendable () throws(SandboxError) -> Void
    ) throws(SandboxError) {
        settleCaptures()
        try RuntimeCapture.takeAway(captureRequest(), to: folder, body)
    }

    /// What a capture would keep now.
    func explainRuntime() throws(SandboxError) -> RuntimeExplanation {
        settleCaptures()
        do throws(CheckpointError) {
            return try RuntimeCapture.explain(captureRequest())
        } catch {
            throw SandboxError(error)
        }
    }

    /// Brings captured processes to life. Nothing else may have been started.
    ///
    /// - Parameter source: the snapshot or sandbox that they are of, for messages.
    func restore(_ state: RuntimeState, of source: String, filter: [UInt8]) throws(SandboxError) {
        settle()
        do throws(CheckpointError) {
            _ = try state.restore(
                into: RestoreTarget(
                    initPid: namespaces.process.pid, controlGroups: namespaces.controlGroup.birthplaces, filter: filter)
            )
        } catch {
            throw SandboxError(error, of: source)
        }
    }
}
