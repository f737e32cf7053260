import Kernel
import Protocol
import Sandbox
import Store

enum SandboxGetHandler: RequestHandler {
    typealias Request = SandboxGet

    static func handle(_ params: SandboxOnlyParams, _ context: RequestContext) async throws -> SandboxObject {
        SandboxObject(try context.runtime.manager.sandbox(params.sandboxID))
    }
}

enum SandboxListHandler: RequestHandler {
    typealias Request = SandboxList

    static func handle(_ params: SandboxList.Params, _ context: RequestContext) async throws -> SandboxList.Result {
        let manager = try context.runtime.manager
        let sandboxes = try await BlockingWork.run { try manager.list() }
        return SandboxList.Result(
            sandboxes: sandboxes.map(SandboxObject.init).filter { $0.labels.contains(params.labels) })
    }
}

enum SandboxSetTimeoutHandler: RequestHandler {
    typealias Request = SandboxSetTimeout

    static func handle(_ params: SandboxSetTimeout.Params, _ context: RequestContext) async throws -> SandboxObject {
        let runtime = try context.runtime
        let sandbox = try runtime.manager.sandbox(params.sandboxID)
        try await BlockingWork.run { try runtime.manager.setIdleTimeout(sandbox, seconds: params.timeoutSec) }
        runtime.idle.set(sandbox.id, timeoutSec: params.timeoutSec)
        return SandboxObject(sandbox)
    }
}

enum SandboxStatsHandler: RequestHandler {
    typealias Request = SandboxStats

    static func handle(_ params: SandboxOnlyParams, _ context: RequestContext) async throws -> SandboxStats.Result {
        let manager = try context.runtime.manager
        return try await BlockingWork.run {
            let sandbox = try manager.sandbox(params.sandboxID)
            let usage = try sandbox.usage()
            return SandboxStats.Result(
                cpuTime: .milliseconds(usage.cpuMs), memBytes: Int(usage.memoryBytes),
                memPeakBytes: Int(usage.peakMemoryBytes), pids: usage.processes,
                diskBytes: Int(try manager.diskUsage(of: sandbox)))
        }
    }
}

extension [String: String] {
    /// Whether all of the given labels are among these.
    func contains(_ labels: [String: String]) -> Bool { labels.allSatisfy { self[$0.key] == $0.value } }
}
