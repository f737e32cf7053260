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

    private func sizeOf(_ captured: Captured) throws(SandboxError) -> Int64 {
        if let staged = captured.staged { return staged.copied.bytes }
        guard let sealed = captured.sealed else { return 0 }
        return try onStore { () throws(StoreError) in try store.sizeOfLayer(sealed) }
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
}
