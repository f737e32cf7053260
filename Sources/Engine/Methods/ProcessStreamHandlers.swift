import Kernel
import Protocol
import Sandbox

enum ProcessWriteHandler: RequestHandler {
    typealias Request = ProcessWrite

    static func handle(_ params: ProcessWrite.Params, _ context: RequestContext) async throws -> ProcessWrite.Result {
        let sandbox = try context.runtime.manager.sandbox(params.sandboxID)
        let written = try sandbox.write(params.data, to: params.processID)
        // It has its place in the queue: what is sent behind it may go on.
        context.turn.pass()
        do throws(ProcessFailure) {
            return ProcessWrite.Result(written: try await written())
        } catch {
            throw error.translated(in: sandbox)
        }
    }
}

enum ProcessCloseStdinHandler: RequestHandler {
    typealias Request = ProcessCloseStdin

    static func handle(_ params: ProcessOnlyParams, _ context: RequestContext) async throws -> NullResult {
        try context.runtime.manager.sandbox(params.sandboxID).closeInput(of: params.processID)
        return NullResult()
    }
}

enum ProcessResizeHandler: RequestHandler {
    typealias Request = ProcessResize

    static func handle(_ params: ProcessResize.Params, _ context: RequestContext) async throws -> NullResult {
        try context.runtime.manager.sandbox(params.sandboxID)
            .resizeTerminal(of: params.processID, to: TerminalDimensions(params.size))
        return NullResult()
    }
}

enum ProcessAttachHandler: RequestHandler {
    typealias Request = ProcessAttach

    static func handle(_ params: ProcessAttach.Params, _ context: RequestContext) async throws -> ProcessAttach.Result {
        let (cursor, begin) = try context.runtime.manager.sandbox(params.sandboxID)
            .attach(to: params.processID, cursor: params.cursor)
        // The client learns where the replay begins before it begins.
        context.turn.afterAnswer(begin)
        return ProcessAttach.Result(cursor: cursor)
    }
}

enum ProcessDetachHandler: RequestHandler {
    typealias Request = ProcessDetach

    static func handle(_ params: ProcessOnlyParams, _ context: RequestContext) async throws -> NullResult {
        try context.runtime.manager.sandbox(params.sandboxID).detach(from: params.processID)
        return NullResult()
    }
}
