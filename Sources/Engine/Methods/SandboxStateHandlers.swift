import Protocol
import Sandbox

enum SandboxRollbackHandler: RequestHandler {
    typealias Request = SandboxRollback

    static func handle(_ params: SandboxRollback.Params, _ context: RequestContext) async throws -> SandboxObject {
        let manager = try context.runtime.manager
        return try await BlockingWork.run {
            let sandbox = try manager.sandbox(params.sandboxID)
            try manager.rollback(sandbox, to: params.snapshotID, runtime: RuntimeChoice(params.runtime))
            return SandboxObject(sandbox)
        }
    }
}

enum SandboxHibernateHandler: RequestHandler {
    typealias Request = SandboxHibernate

    static func handle(_ params: SandboxOnlyParams, _ context: RequestContext) async throws -> SandboxObject {
        let manager = try context.runtime.manager
        return try await BlockingWork.run {
            let sandbox = try manager.sandbox(params.sandboxID)
            try manager.hibernate(sandbox)
            return SandboxObject(sandbox)
        }
    }
}

enum SandboxResumeHandler: RequestHandler {
    typealias Request = SandboxResume

    static func handle(_ params: SandboxResume.Params, _ context: RequestContext) async throws -> SandboxObject {
        let runtime = try context.runtime
        return try await BlockingWork.run {
            let sandbox = try runtime.manager.sandbox(params.sandboxID)
            try runtime.manager.resume(sandbox, runtime: RuntimeChoice(params.runtime))
            // Another engine may have hibernated it; here it has no clock yet.
            runtime.idle.set(sandbox.id, timeoutSec: sandbox.describe().config.idleTimeoutSec)
            return SandboxObject(sandbox)
        }
    }
}

enum SandboxDestroyHandler: RequestHandler {
    typealias Request = SandboxDestroy

    static func handle(_ params: SandboxOnlyParams, _ context: RequestContext) async throws -> SandboxDestroy.Result {
        let runtime = try context.runtime
        let usage = try await BlockingWork.run {
            try runtime.manager.destroy(try runtime.manager.sandbox(params.sandboxID))
        }
        runtime.idle.forget(params.sandboxID)
        return SandboxDestroy.Result(
            cpuTime: .milliseconds(usage.cpuMs), memPeakBytes: Int(usage.peakMemoryBytes),
            uptime: .milliseconds(usage.uptimeMs))
    }
}
