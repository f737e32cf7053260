import Protocol
import Sandbox

enum SandboxCreateHandler: RequestHandler {
    typealias Request = SandboxCreate

    static func handle(_ params: SandboxCreate.Params, _ context: RequestContext) async throws -> SandboxObject {
        let runtime = try context.runtime
        let network = try NetworkChoice.resolve(params.network, method: method)
        let mounts = try await BlockingWork.run {
            try params.mounts.filter { $0.mode != .copy }.map {
                try HostMount(
                    source: $0.source, target: $0.target, isReadOnly: $0.mode == .readOnly, store: runtime.store.path)
            }
        }
        let config = SandboxConfig(
            environment: params.env, hostname: params.hostname,
            limits: SandboxLimits(
                vcpus: params.vcpus, memMiB: params.memMiB, diskMiB: params.diskMiB, pidsMax: params.pidsMax,
                execsMax: params.execsMax),
            network: network, idleTimeoutSec: params.timeoutSec,
            onTimeout: params.onTimeout == .destroy ? .destroy : .hibernate, mounts: mounts)
        let request = NewSandboxRequest(
            image: params.image, name: params.name, labels: params.labels, directory: params.cwd, user: params.user,
            config: config)
        let copies = params.mounts.filter { $0.mode == .copy }.map {
            CopyRequest(source: $0.source, target: $0.target, exclude: $0.exclude)
        }
        return try await SandboxBirth.register(in: runtime) {
            let sandbox = try runtime.manager.create(request)
            do {
                try runtime.manager.bringIn(copies, to: sandbox)
            } catch {
                _ = try runtime.manager.destroy(sandbox)
                throw error
            }
            return [sandbox]
        }[0]
    }
}

/// What create, restore and fork have in common once their sandboxes are there.
enum SandboxBirth {
    /// Runs `body`, starts the idle clocks, and describes what was made. When the request was cancelled meanwhile, what was
    /// made is destroyed again.
    static func register(
        in runtime: EngineRuntime, _ body: @escaping @Sendable () throws -> [Sandbox]
    ) async throws -> [SandboxObject] {
        let sandboxes = try await BlockingWork.run(body)
        if Task.isCancelled {
            try await BlockingWork.run {
                for sandbox in sandboxes { _ = try runtime.manager.destroy(sandbox) }
            }
            throw CancellationError()
        }
        for sandbox in sandboxes {
            let seconds = sandbox.describe().config.idleTimeoutSec
            if seconds > 0 { runtime.idle.set(sandbox.id, timeoutSec: seconds) }
        }
        return sandboxes.map(SandboxObject.init)
    }
}
