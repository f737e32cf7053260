import Protocol
import Sandbox
import Store

enum SandboxSnapshotHandler: RequestHandler {
    typealias Request = SandboxSnapshot

    static func handle(_ params: SandboxSnapshot.Params, _ context: RequestContext) async throws -> SnapshotObject {
        let runtime = try context.runtime
        let taken = try await BlockingWork.run {
            try runtime.manager.snapshot(
                try runtime.manager.sandbox(params.sandboxID), name: params.name, labels: params.labels,
                runtime: RuntimeChoice(params.runtime), isDurable: params.isDurable)
        }
        if Task.isCancelled {
            try await BlockingWork.run { try runtime.manager.deleteSnapshot(taken.record.id.rawValue) }
            throw CancellationError()
        }
        return SnapshotObject(taken.record, taken.report, memoryBytes: taken.memoryBytes, pauseMs: taken.pauseMs)
    }
}

enum SandboxExplainHandler: RequestHandler {
    typealias Request = SandboxExplain

    static func handle(_ params: SandboxOnlyParams, _ context: RequestContext) async throws -> SandboxExplain.Result {
        let runtime = try context.runtime
        let explanation = try await BlockingWork.run {
            try runtime.manager.explain(try runtime.manager.sandbox(params.sandboxID))
        }
        return SandboxExplain.Result(
            processes: explanation.processes.map {
                ProcessVerdict(
                    pid: Int($0.pid), command: $0.command, verdict: $0.lost == nil ? .kept : .lost, reason: $0.lost,
                    resets: $0.resets)
            })
    }
}
