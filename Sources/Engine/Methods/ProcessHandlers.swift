import Kernel
import Protocol
import Sandbox

enum ProcessStartHandler: RequestHandler {
    typealias Request = ProcessStart

    static func handle(_ params: ProcessStart.Params, _ context: RequestContext) async throws -> ProcessObject {
        let sandbox = try context.runtime.manager.sandbox(params.sandboxID)
        let command = SandboxCommand(
            .init(params.command), directory: params.cwd, environment: params.env, user: params.user)
        let options = ProcessOptions(
            name: params.name, hasInput: params.stdin, terminal: params.pty.map { TerminalDimensions($0) })
        let process = try await started(command, options, in: sandbox)
        if Task.isCancelled {
            try sandbox.signal(SignalNames.kill, to: process.id)
            throw CancellationError()
        }
        return ProcessObject(process)
    }

    private static func started(
        _ command: SandboxCommand, _ options: ProcessOptions, in sandbox: Sandbox
    ) async throws -> ProcessDescription {
        do throws(SandboxError) {
            return try await sandbox.startProcess(command, options)
        } catch {
            if case .userNotFound(let user) = error { throw ErrorTranslation.unknownUser(user, method: Request.method) }
            throw error
        }
    }
}

enum ProcessListHandler: RequestHandler {
    typealias Request = ProcessList

    static func handle(_ params: SandboxOnlyParams, _ context: RequestContext) async throws -> ProcessList.Result {
        let manager = try context.runtime.manager
        let processes = try await BlockingWork.run { try manager.sandbox(params.sandboxID).processes() }
        return ProcessList.Result(processes: processes.map { ProcessObject($0) })
    }
}

enum ProcessGetHandler: RequestHandler {
    typealias Request = ProcessGet

    static func handle(_ params: ProcessOnlyParams, _ context: RequestContext) async throws -> ProcessObject {
        let manager = try context.runtime.manager
        return ProcessObject(
            try await BlockingWork.run { try manager.sandbox(params.sandboxID).process(params.processID) })
    }
}

enum ProcessWaitHandler: RequestHandler {
    typealias Request = ProcessWait

    static func handle(_ params: ProcessWait.Params, _ context: RequestContext) async throws -> ProcessObject {
        let sandbox = try context.runtime.manager.sandbox(params.sandboxID)
        do throws(ProcessFailure) {
            return ProcessObject(
                try await sandbox.waitForProcess(
                    params.processID, timeout: params.timeoutMs.map { .milliseconds($0) }))
        } catch {
            throw error.translated(in: sandbox)
        }
    }
}

enum ProcessSignalHandler: RequestHandler {
    typealias Request = ProcessSignal

    static func handle(_ params: ProcessSignal.Params, _ context: RequestContext) async throws -> NullResult {
        let manager = try context.runtime.manager
        guard let number = SignalNames.number(of: params.signal.rawValue) else {
            throw ProtocolError.internalError("this machine has no \(params.signal.rawValue)")
        }
        try await BlockingWork.run { try manager.sandbox(params.sandboxID).signal(number, to: params.processID) }
        return NullResult()
    }
}

extension ProcessFailure {
    /// As the protocol has it.
    func translated(in sandbox: Sandbox) -> any Error {
        switch self {
        case .refused(let error): error
        case .cancelled(nil): ProtocolError.requestCancelled()
        case .cancelled(let written?): ProtocolError.requestCancelled(written: written)
        case .sandboxGone:
            switch sandbox.status {
            case .error: SandboxError.failed(id: sandbox.id, reason: "it ended under the process")
            case .destroyed: ProtocolError.sandboxDestroyed(sandbox.id)
            // A rollback or a hibernation: what was waited for belongs to the past.
            default: ProtocolError.requestCancelled()
            }
        }
    }
}

extension TerminalDimensions {
    /// The protocol's limits are those of the kernel.
    init(_ size: TerminalSize) { self.init(columns: UInt16(size.cols), rows: UInt16(size.rows)) }
}
