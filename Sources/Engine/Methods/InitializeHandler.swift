import Kernel
import Protocol
import Sandbox

enum InitializeHandler: RequestHandler {
    typealias Request = Initialize

    static func handle(_ params: Initialize.Params, _ context: RequestContext) async throws -> Initialize.Result {
        let session = context.session
        let runtime = try await BlockingWork.run {
            if let pid = params.clientProcessID { try session.launch.watch(hostProcess: Int32(pid)) }
            return try EngineRuntime(
                storePath: params.store ?? session.defaultStore, limits: EngineLimits(params.limits),
                launch: session.launch, loop: session.loop, order: session.order,
                processObserver: ProcessReporter(writer: session.writer))
        }
        session.endInitialization(runtime)
        return Initialize.Result(
            version: EngineVersion.current, capabilities: runtime.capabilities, host: runtime.host)
    }
}

extension EngineLimits {
    fileprivate init(_ params: EngineLimitParams?) {
        guard let params else {
            self.init()
            return
        }
        self.init(
            vcpus: params.vcpus, memMiB: params.memMiB, pidsMax: params.pidsMax, sandboxesMax: params.sandboxesMax,
            execsMax: params.execsMax, outputMiB: params.outputMiB)
    }
}
