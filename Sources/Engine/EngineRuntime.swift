import EmbeddedFiles
import Kernel
import Protocol
import Sandbox
import Store

/// What comes to life with `initialize`: the open store and the sandboxes.
final class EngineRuntime: Sendable {
    let manager: SandboxManager
    let store: Store
    let host: HostFacts
    let capabilities: Capabilities
    let idle: IdleClock

    /// - Parameters:
    ///   - path: the store's, absolute.
    ///   - processObserver: tells the client of long-lived processes.
    init(
        storePath path: String, limits: EngineLimits, launch: Launch, loop: EventLoop, order: SandboxOrder,
        processObserver: any ProcessObserver
    ) throws {
        do throws(StoreError) {
            store = try Store.open(path)
        } catch {
            throw ErrorTranslation.protocolError(forStoreAt: path, error)
        }
        do {
            manager = try SandboxManager(
                store: store, launch: launch, engineLimits: limits, initImage: EmbeddedFiles.initImage(),
                templateImage: EmbeddedFiles.templateImage(), loop: loop,
                processObserver: processObserver, report: Log.write)
        } catch {
            // What stays of this engine in the store is the next one's to remove.
            try? store.leave()
            throw error
        }
        do {
            host = try HostFacts.find(launch: launch, store: store)
        } catch {
            manager.shutDown()
            throw error
        }
        capabilities = Capabilities(
            runtimeState: .init(supported: true),
            network: (SandboxNetwork(mode: .nat).obstacle == nil ? [.nat] : []) + [.none],
            limits: .init(
                memory: .init(manager.limits.memory), cpu: .init(manager.limits.cpu), pids: .init(manager.limits.pids),
                disk: .init(manager.limits.disk)),
            images: [.host, .archive] + (Skopeo(hostUser: launch.hostUser) == nil ? [] : [.registry]))
        idle = IdleClock(manager: manager, order: order)
    }
}

extension Capabilities.LimitMechanism {
    init(_ backend: LimitBackend) {
        self =
            switch backend {
            case .cgroup2: .cgroup2
            case .cgroup1: .cgroup1
            case .rlimit: .rlimit
            case .engine: .engine
            case .none: .none
            }
    }
}

extension HostFacts {
    static func find(launch: Launch, store: Store) throws -> HostFacts {
        let system = HostSystem.current()
        return HostFacts(
            kernel: system.release, arch: system.machine, rootless: launch.hostUser != 0,
            subordinateIDs: launch.ids != .single, store: store.path,
            storeFilesystem: try store.filesystemName(), reflink: try store.supportsReflinks())
    }
}
