import Checkpoint
import Kernel
import Store

/// What `create` needs to know.
public struct NewSandboxRequest: Sendable {
    public var image: String
    public var name: String?
    public var labels: [String: String]
    /// Where commands start, and who runs them. Nil: as the image has it.
    public var directory: String?
    public var user: String?
    /// The rest; its environment is added to the image's, and stronger.
    public var config: SandboxConfig

    public init(
        image: String, name: String? = nil, labels: [String: String] = [:], directory: String? = nil,
        user: String? = nil, config: SandboxConfig
    ) {
        self.image = image
        self.name = name
        self.labels = labels
        self.directory = directory
        self.user = user
        self.config = config
    }
}

extension SandboxManager {
    /// Makes a sandbox from an image. On failure nothing is left behind.
    public func create(_ request: NewSandboxRequest) throws(SandboxError) -> Sandbox {
        let (image, settings) = try onStore { () throws(StoreError) in try store.use(ofImage: request.image) }
        var config = request.config
        config.environment = settings.environment.merging(config.environment) { $1 }
        config.directory = request.directory ?? settings.directory
        config.user = request.user ?? settings.user
        let sandbox = try start(
            image: image, layers: [], name: request.name, labels: request.labels, config: config, parentSnapshot: nil)
        if request.directory == nil, settings.directory != ImageSettings.none.directory {
            // Other runtimes make the folder too. Where it cannot be made, the first command says what is wrong.
            try? sandbox.files().makeDirectory(settings.directory, parents: true)
        }
        return sandbox
    }

    /// Makes a sandbox, with a new id, from a snapshot.
    public func restore(
        _ id: String, _ overrides: Sandbox.Overrides, runtime: RuntimeChoice
    ) throws(SandboxError) -> Sandbox {
        let (snapshot, facts) = try snapshotRecord(id)
        let config = facts.config
        let processes = try runtimeState(of: snapshot, facts.report, runtime)
        return try start(
            image: snapshot.image, layers: snapshot.layers, name: overrides.name,
            labels: overrides.labels ?? snapshot.labels,
            config: config.descended(from: snapshot.sandbox.rawValue, origin: .snapshot(id), overrides),
            parentSnapshot: snapshot.id, processes: processes.map { (state: $0, of: id, report: facts.report) })
    }

    /// Makes a sandbox that stands on sealed layers.
    ///
    /// - Parameter onRecorded: called when the store knows of the sandbox, and with it of the layer that is added.
    func start(
        image: ImageUse, layers: [LayerID], name: String?, labels: [String: String], config: SandboxConfig,
        parentSnapshot: SnapshotID?, adding staged: StagedLayer? = nil,
        processes: (state: RuntimeState, of: String, report: Sandbox.RuntimeReport)? = nil,
        onRecorded: () -> Void = {}
    ) throws(SandboxError) -> Sandbox {
        let begun = ContinuousClock.now
        try takePlace()
        var isBorn = false
        defer { if !isBorn { givePlaceBack() } }
        let base = try bases.base(of: image)
        let ready = layers.isEmpty ? try readyRoots.take(of: image) : nil
        let record = try onStore { () throws(StoreError) in
            try store.createSandbox(
                NewSandbox(
                    name: name, labels: labels, image: image, layers: layers, baseLayers: config.baseLayers,
                    overlayMountPoints: base.innerMountPoints, files: ready?.files, parentSnapshot: parentSnapshot,
                    config: config.json),
                adding: staged)
        }
        onRecorded()
        housekeeping.replenishFiles(overlayMountPoints: record.overlayMountPoints)
        do throws(SandboxError) {
            let root: RootFilesystem = if let ready { .ready(ready) } else { .toMount(layered(record, base)) }
            let incarnation = try incarnate(
                record.id, config, root, processes?.state, of: processes?.of ?? "")
            let sandbox = Sandbox(
                .init(
                    record: record, config: config, status: .creating, incarnation: incarnation,
                    runtimeReport: processes?.report),
                createMs: (ContinuousClock.now - begun).milliseconds, supervision)
            if let processes { runtimes.keep(processes.state, asBaseOf: record.id) }
            isBorn = true
            register(sandbox)
            change(sandbox, to: .running)
            watch(incarnation, of: sandbox)
            return sandbox
        } catch {
            discard(record.id)
            throw error
        }
    }

    /// Brings a sandbox to life on its files, with captured processes if there are any.
    ///
    /// - Parameter source: the snapshot or sandbox that these are of, for messages.
    func incarnate(
        _ id: SandboxID, _ config: SandboxConfig, _ root: RootFilesystem, _ runtime: RuntimeState?, of source: String,
        nextProcessNumber: Int = 1
    ) throws(SandboxError) -> Incarnation {
        let table = try runtime?.processTable(of: source)
        let folders = try hostFolders.make(config.mounts)
        let incarnation = try Incarnation(
            try ground(for: config), id: id.rawValue, hostname: config.hostname ?? id.rawValue, limits: config.limits,
            nameServer: Uplink.nameServer(of: config.network), root: root, folders: folders, store: store.path,
            workshop: bases.workshop,
            processTable: ProcessTable(
                of: id.rawValue, nextNumber: max(nextProcessNumber, table?.nextNumber ?? 1), observer: processObserver,
                loop: ingredients.loop),
            loop: ingredients.loop)
        guard let runtime, let table else { return incarnation }
        do throws(SandboxError) {
            // Processes find the network that they had, and rules in force.
            try incarnation.uplink?.waitUntilReady()
            try incarnation.restore(runtime, table, of: source, filter: ingredients.filter())
            // They may have been captured in a sandbox that was full.
            try onKernel { () throws(KernelError) in try incarnation.allowWriting() }
        } catch {
            incarnation.destroy()
            throw error
        }
        return incarnation
    }

    /// The overlays of a sandbox as its record has them.
    func layered(_ record: SandboxRecord, _ base: BaseFilesystem) -> LayeredFilesystem {
        layered(id: record.id, files: record.files, on: record.layers, base)
    }

    /// The overlays of a sandbox, as paths relative to the store's folder.
    ///
    /// - Parameters:
    ///   - files: the folder with the upper.
    ///   - sealing: a folder whose upper is about to become the topmost layer; nil: none is.
    func layered(
        id: SandboxID, files: FilesID, on layers: [LayerID], sealing: FilesID? = nil, _ base: BaseFilesystem
    ) -> LayeredFilesystem {
        func path(_ files: FilesID, _ name: String) -> FilePath {
            FilePath(verbatim: "sandboxes/\(id)/\(files)/\(name)")
        }
        let sealed = sealing.map { [path($0, "upper")] } ?? []
        return LayeredFilesystem(
            base: base, layers: sealed + layers.map { FilePath(verbatim: "layers/\($0)/content") },
            upper: path(files, "upper"), work: path(files, "work"))
    }

    /// Removes what the store has of a sandbox that did not come to life.
    func discard(_ id: SandboxID) {
        // What cannot be removed now belongs to nobody and is the next gc's.
        try? store.deleteSandbox(id)
        housekeeping.emptyTrash()
    }
}
