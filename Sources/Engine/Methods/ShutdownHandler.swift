import Protocol

enum ShutdownHandler: RequestHandler {
    typealias Request = Shutdown

    static func handle(_ params: NoParams, _ context: RequestContext) async throws -> NullResult {
        let session = context.session
        await session.stopRequests(except: context.id, isShutdown: true)
        try await BlockingWork.run { session.destroySandboxes() }
        return NullResult()
    }
}
