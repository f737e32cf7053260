import Kernel
import Protocol
import Sandbox
import Store

enum EngineInfoHandler: RequestHandler {
    typealias Request = EngineInfo

    static func handle(_ params: NoParams, _ context: RequestContext) async throws -> EngineInfo.Result {
        let runtime = try context.runtime
        return EngineInfo.Result(
            version: EngineVersion.current, capabilities: runtime.capabilities, host: runtime.host)
    }
}

enum EngineStatsHandler: RequestHandler {
    typealias Request = EngineStats

    static func handle(_ params: NoParams, _ context: RequestContext) async throws -> EngineStats.Result {
        let runtime = try context.runtime
        let session = context.session
        return try await BlockingWork.run {
            let statuses = try runtime.manager.list().map(\.status)
            let process = try OwnProcess.usage()
            return EngineStats.Result(
                uptime: ContinuousClock.now - session.started,
                sandboxesRunning: statuses.count { $0 == .running },
                sandboxesHibernated: statuses.count { $0 == .hibernated },
                execsRunning: runtime.manager.runningExecutions, requestsRunning: session.runningRequests,
                memBytes: process.memoryBytes, openFiles: process.openFiles, queuedBytes: session.writer.queuedBytes)
        }
    }
}

enum EngineCollectGarbageHandler: RequestHandler {
    typealias Request = EngineCollectGarbage

    static func handle(
        _ params: EngineCollectGarbage.Params, _ context: RequestContext
    ) async throws -> EngineCollectGarbage.Result {
        let runtime = try context.runtime
        let report = try await BlockingWork.run {
            // What is being deleted already is no garbage to be reported.
            runtime.manager.finishHousekeeping()
            return try runtime.store.collectGarbage(dryRun: params.dryRun)
        }
        for reason in report.blockedBy { Log.write("layers cannot be collected because of \(reason)") }
        return EngineCollectGarbage.Result(
            freedBytes: Int(report.freedBytes),
            removed: .init(
                layers: report.layers, snapshots: report.snapshots, sandboxes: report.sandboxes,
                files: Int(report.files)))
    }
}
