import Checkpoint
import JSON
import Kernel
import Store
import Synchronization

/// A snapshot as it was just taken.
public struct TakenSnapshot: Sendable {
    public let record: SnapshotRecord
    public let report: Sandbox.RuntimeReport
    /// Private memory of the captured processes.
    public let memoryBytes: UInt64
    /// How long the sandbox's processes stood still.
    public let pauseMs: Double
}

extension SandboxManager {
    /// Captures a running or hibernated sandbox's files and configuration.
    ///
    /// A quiet sandbox's upper becomes a layer as it is: nothing is copied. While processes run in it, its files are
    /// copied at one instant, with all of them stopped. On failure the sandbox goes on as before.
    ///
    /// - Parameter isDurable: whether to wait until the snapshot outlives a power cut; else that follows in the background.
    public func snapshot(
        _ sandbox: Sandbox, name: String?, labels: [String: String], runtime: RuntimeChoice, isDurable: Bool
    ) throws(SandboxError) -> TakenSnapshot {
        let config = sandbox.state.withLock { $0.config }
        let captured = try capture(sandbox, runtime, isStored: true)
        let before = sandbox.state.withLock { $0.record }
        let size = try sizeOf(captured)
        let record = SnapshotRecord(
            name: name, labels: labels, sandbox: before.id, parentSnapshot: before.parentSnapshot, image: before.image,
            layers: captured.layers, baseLayers: config.baseLayers, sizeBytes: size,
            config: SnapshotFacts(
                config: config, report: captured.report, memoryBytes: captured.memoryBytes, pauseMs: captured.pauseMs
            ).json)
        do throws(StoreError) {
            try store.createSnapshot(record, adding: captured.staged)
        } catch {
            discard(captured)
            throw .store(error)
        }
        let durable = makeDurable(record.id, captured, isUrgent: isDurable)
        // The store learns of it with the sandbox's next change; until then only this engine asks.
        sandbox.state.withLock { $0.record.parentSnapshot = record.id }
        housekeeping.shorten(record.layers, of: record.image) { [bases] in bases.hostFolders() }
        housekeeping.replenishFiles(overlayMountPoints: before.overlayMountPoints)
        if isDurable {
            do throws(SandboxError) {
                try durable.wait().get()
            } catch {
                // It was to be durable or not at all.
                try? deleteSnapshot(record.id.rawValue)
                throw error
            }
        }
        return TakenSnapshot(
            record: record, report: captured.report, memoryBytes: captured.memoryBytes, pauseMs: captured.pauseMs)
    }

    private func makeDurable(_ id: SnapshotID, _ captured: Captured, isUrgent: Bool) -> Promise<Durability.Outcome> {
        guard let (state, staged) = captured.runtime, let staged else {
            return durability.follow(id, isUrgent: isUrgent)
        }
        runtimes.keep(state, of: id)
        return durability.follow(id, state, in: staged, isUrgent: isUrgent) { [runtimes] in runtimes.isStored(id) }
    }

    /// How many children of a fork are made at once. A way out takes tens of milliseconds, nearly all of them spent waiting for the
    /// kernel.
    private static func childrenAtOnce(_ configs: [SandboxConfig]) -> Int {
        configs.contains { $0.network.mode == .nat } ? 8 : Workers.processorCount
    }

    /// Makes `overrides.count` sandboxes from the present state of one. All or none.
    public func fork(
        _ sandbox: Sandbox, _ overrides: [Sandbox.Overrides], runtime: RuntimeChoice
    ) throws(SandboxError) -> (children: [Sandbox], pauseMs: Double) {
        let captured = try capture(sandbox, runtime, isStored: false)
        let (record, config) = sandbox.state.withLock { ($0.record, $0.config) }
        if let runtime = captured.runtime { runtimes.keep(runtime.state, asBaseOf: record.id) }
        let configs = overrides.map { config.descended(from: sandbox.id, origin: .sandbox(sandbox.id), $0) }
        let processes = captured.runtime.map { (state: $0.state, of: sandbox.id, report: captured.report) }
        // The first child's record brings the layer with it that all stand on.
        let layerIsNamed = Promise<Void>()
        let made = Mutex<[Sandbox]>([])
        do throws(SandboxError) {
            let children = try Workers.run(
                "fork", Array(overrides.indices), atOnce: Self.childrenAtOnce(configs),
                onFailure: { layerIsNamed.fulfil(()) }
            ) { [self] index throws(SandboxError) in
                if index > 0 { layerIsNamed.wait() }
                let override = overrides[index]
                let child = try start(
                    image: record.image, layers: captured.layers, name: override.name,
                    labels: override.labels ?? record.labels, config: configs[index],
                    parentSnapshot: record.parentSnapshot, adding: index == 0 ? captured.staged : nil,
                    processes: processes, onRecorded: { layerIsNamed.fulfil(()) })
                made.withLock { $0.append(child) }
                return child
            }
            housekeeping.shorten(captured.layers, of: record.image) { [bases] in bases.hostFolders() }
            return (children, captured.pauseMs)
        } catch {
            let children = made.withLock { $0 }
            // A child that cannot be destroyed now is destroyed with the engine.
            for child in children { _ = try? destroy(child) }
            if children.isEmpty { discard(captured) }
            throw error
        }
    }

    // MARK: Capture

    /// The state of a sandbox's files at one instant.
    struct Captured {
        /// All layers above the image, topmost first.
        let layers: [LayerID]
        /// The topmost of them, when it is a copy that nothing names yet.
        let staged: StagedLayer?
        /// The layer that the upper has become; nil when it was empty.
        let sealed: LayerID?
        /// The processes, and where they are being stored; nil when none is kept.
        let runtime: (state: RuntimeState, staged: StagedRuntime?)?
        let report: Sandbox.RuntimeReport
        let pauseMs: Double
        var memoryBytes: UInt64 { runtime?.state.memoryBytes ?? 0 }

        /// With a copied upper on top.
        init(
            _ record: SandboxRecord, _ staged: StagedLayer, _ runtime: (state: RuntimeState, staged: StagedRuntime?)?,
            _ report: Sandbox.RuntimeReport, pauseMs: Double
        ) {
            layers = [staged.id] + record.layers
            self.staged = staged
            sealed = staged.id
            self.runtime = runtime
            self.report = report
            self.pauseMs = pauseMs
        }

        /// With an upper that has become a layer, or was empty.
        init(layers: [LayerID], sealed: LayerID?, pauseMs: Double) {
            self.layers = layers
            staged = nil
            self.sealed = sealed
            runtime = nil
            report = Sandbox.RuntimeReport()
            self.pauseMs = pauseMs
        }
    }

    /// Removes what was copied and stored and came to nothing; what cannot be removed now goes with the engine.
    func discard(_ captured: Captured) {
        if let staged = captured.staged { try? store.discard(staged) }
        guard let (state, staged) = captured.runtime, let staged else { return }
        // A failure to store it makes no difference any more.
        try? state.waitUntilStored()
        try? store.discard(staged)
    }

    private func sizeOf(_ captured: Captured) throws(SandboxError) -> Int64 {
        if let staged = captured.staged { return staged.copied.bytes }
        guard let sealed = captured.sealed else { return 0 }
        return try onStore { () throws(StoreError) in try store.sizeOfLayer(sealed) }
    }

    /// - Parameter isStored: whether the processes are written to the disk, in the background.
    func capture(
        _ sandbox: Sandbox, _ runtime: RuntimeChoice, isStored: Bool
    ) throws(SandboxError) -> Captured {
        let incarnation = try sandbox.running()
        if try onKernel({ () throws(KernelError) in try incarnation.isQuiet() }) {
            return try seal(sandbox, incarnation)
        }
        let record = sandbox.state.withLock { $0.record }
        let store = store
        let copied = CopiedFiles()
        let copyFiles: @Sendable () throws(SandboxError) -> StagedLayer = { () throws(SandboxError) in
            let layer = try onStore { () throws(StoreError) in try store.copyUpper(of: record) }
            copied.layer.withLock { $0 = layer }
            return layer
        }
        let leftBehind = try onKernel { () throws(KernelError) in try incarnation.members().leftBehind }
        if runtime == .none || leftBehind.isEmpty {
            let (staged, pauseMs) = try incarnation.whileStopped(copyFiles)
            var report = Sandbox.RuntimeReport()
            report.dropped = leftBehind.map {
                .init(pid: $0.pid, command: $0.command, reason: "files only were asked for")
            }
            return Captured(record, staged, nil, report, pauseMs: pauseMs)
        }
        let ownFiles = try ownFiles(of: sandbox)
        let (staged, folder): (StagedRuntime?, StateFolder?) = isStored ? try stageRuntime() : (nil, nil)
        do throws(SandboxError) {
            let captured = try incarnation.captureRuntime(
                requiringAll: runtime == .require, program: ingredients.templateProgram, storingIn: folder,
                ownFiles: ownFiles, copyFiles)
            let isEmpty = captured.explanation.kept == 0
            if isEmpty, let staged {
                try? captured.state.waitUntilStored()
                try? store.discard(staged)
            }
            return Captured(
                record, captured.value, isEmpty ? nil : (captured.state, staged),
                Sandbox.RuntimeReport(captured.explanation), pauseMs: captured.pauseMs)
        } catch {
            if let staged { try? store.discard(staged) }
            if let layer = copied.layer.withLock({ $0 }) { try? store.discard(layer) }
            throw error
        }
    }

    /// What was copied while processes stood still, for a capture that fails afterwards.
    private final class CopiedFiles: Sendable {
        let layer = Mutex<StagedLayer?>(nil)
    }

    /// Turns the upper of a quiet sandbox into a layer and puts an empty one on top; one that is empty stays.
    private func seal(_ sandbox: Sandbox, _ incarnation: Incarnation) throws(SandboxError) -> Captured {
        let begun = ContinuousClock.now
        let before = sandbox.state.withLock { $0.record }
        if try onStore({ () throws(StoreError) in try store.isUntouched(before) }) {
            return Captured(
                layers: before.layers, sealed: nil, pauseMs: (ContinuousClock.now - begun).milliseconds)
        }
        let base = try bases.base(of: before.image)
        let prepared = try onStore { () throws(StoreError) in try self.store.prepareFilesForSeal(of: before) }
        let files = layered(
            id: before.id, files: prepared, on: before.layers, sealing: before.files, base)
        var layer: LayerID?
        do throws(SandboxError) {
            try incarnation.switchRoot(to: files, store: store.path) { () throws(SandboxError) in
                try sandbox.changingRecord.withLock { _ throws(SandboxError) in
                    // Its files are as before; its configuration may have changed meanwhile.
                    var record = sandbox.state.withLock { $0.record }
                    let sealed = try onStore { () throws(StoreError) in try store.seal(&record, into: prepared) }
                    let next = record
                    sandbox.state.withLock { $0.record = next }
                    layer = sealed.layer
                    housekeeping.discard(sealed.previousFiles, of: next.id)
                }
            }
        } catch {
            let isSealed = sandbox.state.withLock { $0.record.files != before.files }
            if isSealed {
                // The layer is sealed, and the sandbox still writes to it: it must not go on.
                change(sandbox, to: .error, reason: "\(error)") {
                    $0.failure = "its root could not be replaced: \(error)"
                }
                incarnation.destroy()
            } else {
                try? store.discardFiles(prepared, of: before.id)
            }
            throw error
        }
        let record = sandbox.state.withLock { $0.record }
        guard let sealed = layer else { preconditionFailure("a root that was replaced was sealed") }
        return Captured(
            layers: record.layers, sealed: sealed, pauseMs: (ContinuousClock.now - begun).milliseconds)
    }
}
