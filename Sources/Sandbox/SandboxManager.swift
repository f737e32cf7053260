import Kernel
import Store
import Synchronization

/// Makes sandboxes and keeps track of them.
///
/// Methods block for milliseconds; call them on a thread that may. Operations on one sandbox must not overlap.
public final class SandboxManager: Sendable {
    private struct Table {
        var sandboxes: [String: Sandbox] = [:]
        /// Ids of sandboxes that were destroyed, so that their users learn that much.
        var destroyed = BoundedSet(capacity: 65_536)
    }

    public let store: Store
    public let limits: LimitMechanisms
    let ingredients: SandboxIngredients
    let namespaceSets: ReadyPool<NamespaceSet>
    let readyRoots: ReadyRoots
    let bases: BaseFilesystems
    let hostFolders: HostFolderMounts
    let housekeeping: Housekeeping
    let durability: Durability
    let runtimes = RuntimeLibrary()
    let processObserver: any ProcessObserver
    let supervision: Supervision
    /// Places for sandboxes that run.
    private let places: Slots
    private let table = Mutex(Table())
    private let limitHandler = Mutex<(@Sendable (String, SandboxLimit) -> Void)?>(nil)
    private let statusHandler = Mutex<(@Sendable (String, Sandbox.Status, String?) -> Void)?>(nil)

    /// - Parameters:
    ///   - engineLimits: of all sandboxes together.
    ///   - processObserver: gets what long-lived processes print, and their ends.
    ///   - report: gets a sentence about what goes wrong in the background.
    public init(
        store: Store, launch: Launch, engineLimits: EngineLimits, initImage: [UInt8], templateImage: [UInt8],
        loop: EventLoop, processObserver: any ProcessObserver, report: @escaping @Sendable (String) -> Void
    ) throws(SandboxError) {
        self.store = store
        self.processObserver = processObserver
        let groups = ControlGroups.probe(engine: store.engine.rawValue)
        do throws(SandboxError) {
            for path in groups.cleanupPaths {
                try onKernel { () throws(KernelError) in try launch.cleanUp(controlGroup: path) }
            }
            try groups.apply(engineLimits)
            supervision = Supervision(watch: LimitWatch(store: store), engineLimits)
            ingredients = try SandboxIngredients(
                loop: loop, ids: launch.ids, controlGroups: groups, initImage: initImage,
                templateImage: templateImage)
            bases = try BaseFilesystems(store: store, launch: launch)
            hostFolders = HostFolderMounts(launch: launch, workshop: bases.workshop)
        } catch {
            groups.remove()
            throw error
        }
        limits = LimitMechanisms(groups)
        housekeeping = Housekeeping(store: store)
        durability = Durability(store: store, report: report)
        namespaceSets = ReadyPool(name: "namespaces") { [ingredients] () throws(SandboxError) in
            try NamespaceSet(ingredients)
        } discard: {
            $0.destroy()
        }
        readyRoots = ReadyRoots(store: store, bases: bases)
        places = Slots(limit: engineLimits.sandboxesMax)
        try supervision.watch.begin { [weak self] in
            self?.runningSandboxes ?? []
        } report: { [weak self] sandbox, limit in
            self?.limitHandler.withLock { $0 }?(sandbox.id, limit)
        }
        namespaceSets.fill()
        readyRoots.fill()
        housekeeping.removeAbandoned(groups)
        housekeeping.collectGarbage()
    }

    /// Calls back with every limit that a sandbox runs into.
    public func onLimitReached(_ handler: @escaping @Sendable (String, SandboxLimit) -> Void) {
        limitHandler.withLock { $0 = handler }
    }

    /// Calls back with every change of a sandbox's status, and the reason where there is one to tell.
    public func onStatusChange(_ handler: @escaping @Sendable (String, Sandbox.Status, String?) -> Void) {
        statusHandler.withLock { $0 = handler }
    }

    /// Calls back when a snapshot has come to outlive a power cut, or has failed to, with the reason.
    public func onDurability(_ handler: @escaping @Sendable (String, String?) -> Void) {
        durability.onOutcome { snapshot, error in handler(snapshot.rawValue, error.map { "\($0)" }) }
    }

    // MARK: The table

    /// - Throws: `sandboxNotFound` of the store, `destroyed`.
    public func sandbox(_ id: String) throws(SandboxError) -> Sandbox {
        let (sandbox, wasDestroyed) = table.withLock { ($0.sandboxes[id], $0.destroyed.contains(id)) }
        if let sandbox { return sandbox }
        if wasDestroyed { throw .destroyed(id: id) }
        return try adoptHibernated(id)
    }

    /// This engine's sandboxes, and the hibernated ones of the store, which any engine may resume.
    public func list() throws(SandboxError) -> [Sandbox] {
        let hibernated = Set(
            try onStore { () throws(StoreError) in try store.listSandboxes() }.records
                .filter { $0.state == .hibernated }.map(\.id.rawValue))
        // Those that another engine took or deletes meanwhile are not there any more.
        for id in hibernated { _ = try? sandbox(id) }
        table.withLock { table in
            for (id, sandbox) in table.sandboxes where sandbox.status == .hibernated && !hibernated.contains(id) {
                table.sandboxes[id] = nil
            }
        }
        return table.withLock { Array($0.sandboxes.values) }
            .sorted { $0.describe().createdAt.nanoseconds < $1.describe().createdAt.nanoseconds }
    }

    func register(_ sandbox: Sandbox) {
        table.withLock { $0.sandboxes[sandbox.id] = sandbox }
        supervision.watch.noticeSandbox()
    }

    private var runningSandboxes: [Sandbox] {
        table.withLock { Array($0.sandboxes.values) }.filter { $0.status == .running }
    }

    func unregister(_ sandbox: Sandbox) {
        table.withLock { table in
            table.sandboxes[sandbox.id] = nil
            table.destroyed.insert(sandbox.id)
        }
    }

    /// Takes the place of one more sandbox that runs. Whoever ends it gives the place back.
    ///
    /// - Throws: `limitExceeded`.
    func takePlace() throws(SandboxError) {
        if !places.take() {
            throw .limitExceeded(limit: "limits.sandboxesMax", reason: "as many sandboxes run as may run at once")
        }
    }

    func givePlaceBack() { places.giveBack() }

    /// Forgets a hibernated sandbox that another engine has taken or destroyed.
    func forget(_ sandbox: Sandbox) { table.withLock { $0.sandboxes[sandbox.id] = nil } }

    private func adoptHibernated(_ id: String) throws(SandboxError) -> Sandbox {
        guard let name = SandboxID(rawValue: id) else { throw .store(.sandboxNotFound(id)) }
        let record = try onStore { () throws(StoreError) in try store.sandbox(name) }
        guard record.state == .hibernated else { throw .store(.sandboxInUse(name, engine: record.owner)) }
        guard let config = SandboxConfig(json: record.config) else {
            throw .store(.sandboxCorrupt(id, reason: "its configuration cannot be read"))
        }
        let adopted = Sandbox(
            .init(record: record, config: config, status: .hibernated), createMs: 0, supervision)
        return table.withLock { table in
            if let present = table.sandboxes[id] { return present }
            table.sandboxes[id] = adopted
            return adopted
        }
    }

    /// Commands that run now, in all sandboxes.
    public var runningExecutions: Int {
        let sandboxes = table.withLock { Array($0.sandboxes.values) }
        return sandboxes.reduce(0) { $0 + ($1.state.withLock { $0.incarnation }?.runningExecutions ?? 0) }
    }

    // MARK: Status

    /// Sets the status and tells whoever listens.
    func change(
        _ sandbox: Sandbox, to status: Sandbox.Status, reason: String? = nil,
        _ body: (inout Sandbox.State) -> Void = { _ in }
    ) {
        let hadPlace = sandbox.state.withLock { state in
            defer { state.status = status }
            body(&state)
            return state.status.hasPlace
        }
        if hadPlace && !status.hasPlace { givePlaceBack() }
        statusHandler.withLock { $0 }?(sandbox.id, status, reason)
    }

    /// Notices when the sandbox's PID 1 ends without having been asked to.
    func watch(_ incarnation: Incarnation, of sandbox: Sandbox) {
        incarnation.onEnd { [weak self, weak sandbox] in
            guard let self, let sandbox else { return }
            let isPresent = sandbox.state.withLock { $0.status == .running && $0.incarnation === incarnation }
            if !isPresent { return }
            let reason = "its first process was killed from outside, or memory ran out"
            change(sandbox, to: .error, reason: reason) { state in
                state.failure = reason
                state.incarnation = nil
            }
            housekeeping.destroy(incarnation)
        }
    }

    /// Waits for the deletions and merges that are under way.
    public func finishHousekeeping() { housekeeping.finish() }

    /// Destroys every running sandbox; hibernated ones stay in the store.
    public func shutDown() {
        let sandboxes = table.withLock { Array($0.sandboxes.values) }
        for sandbox in sandboxes where sandbox.status != .hibernated {
            // One that is destroyed already needs nothing more; files that cannot be deleted are the next gc's.
            _ = try? destroy(sandbox)
        }
        durability.finish()
        supervision.watch.close()
        namespaceSets.close()
        readyRoots.close()
        housekeeping.finish()
        ingredients.controlGroups.remove()
        // The next engine that opens the store removes what cannot be removed now.
        try? bases.close()
        try? store.leave()
    }
}

/// What holds each limit on this host.
public struct LimitMechanisms: Sendable {
    public let memory: LimitBackend
    public let cpu: LimitBackend
    public let pids: LimitBackend
    public let disk: LimitBackend

    init(_ groups: ControlGroups) {
        memory = groups.mechanism(of: .memory) == .none ? .engine : groups.mechanism(of: .memory)
        cpu = groups.mechanism(of: .cpu)
        pids = groups.mechanism(of: .pids) == .none ? .rlimit : groups.mechanism(of: .pids)
        disk = .engine
    }
}
