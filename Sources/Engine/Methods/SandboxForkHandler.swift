import Protocol
import Sandbox
import Synchronization

enum SandboxForkHandler: RequestHandler {
    typealias Request = SandboxFork

    static func handle(_ params: SandboxFork.Params, _ context: RequestContext) async throws -> SandboxFork.Result {
        let runtime = try context.runtime
        var overrides = try params.children.map { try Sandbox.Overrides($0, method: method) }
        if overrides.isEmpty { overrides = Array(repeating: Sandbox.Overrides(), count: params.count) }
        let children = overrides
        let pause = Mutex(0.0)
        let sandboxes = try await SandboxBirth.register(in: runtime) {
            let parent = try runtime.manager.sandbox(params.sandboxID)
            let forked = try runtime.manager.fork(parent, children, runtime: RuntimeChoice(params.runtime))
            pause.withLock { $0 = forked.pauseMs }
            return forked.children
        }
        return SandboxFork.Result(sandboxes: sandboxes, pause: .milliseconds(pause.withLock { $0 }))
    }
}
