import Protocol
import Sandbox

enum SandboxRestoreHandler: RequestHandler {
    typealias Request = SandboxRestore

    static func handle(_ params: SandboxRestore.Params, _ context: RequestContext) async throws -> SandboxObject {
        let runtime = try context.runtime
        let overrides = try Sandbox.Overrides(params.overrides, method: method)
        return try await SandboxBirth.register(in: runtime) {
            [try runtime.manager.restore(params.snapshotID, overrides, runtime: RuntimeChoice(params.runtime))]
        }[0]
    }
}
