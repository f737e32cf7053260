import Checkpoint
import JSON
import Kernel
import Store

/// A snapshot as it was just taken.
public struct TakenSnapshot: Sendable {
    public let record: SnapshotRecord
    public let report: Sandbox.RuntimeReport
    /// How long the sandbox's processes stood still.
    public let pauseMs: Double
}

extension SandboxManager {
    /// Captures a running or hibernated sandbox's files and configuration.
    ///
    /// A quiet sandbox's upper becomes a layer as it is: nothing is copied. While processes run in it, its files are
    /// copied at one instant, with all of them stopped. On failure the sandbox goes on as before.
    public func snapshot(
        _ sandbox: Sandbox, name: String?, labels: [String: String], runtime: RuntimeChoice
    ) throws(SandboxError) -> TakenSnapshot {
        let config = sandbox.state.withLock { $0.config }
        let captured = try capture(sandbox, runtime)
        let before = sandbox.state.withLock { $0.record }
        let size = try sizeOf(captured)
        let record = SnapshotRecord(
            name: name, labels: labels, sandbox: before.id, parentSnapshot: before.parentSnapshot, image: before.image,
            layers: captured.layers, sizeBytes: size,
            config: SnapshotFacts(config: config, report: captured.report, pauseMs: captured.pauseMs).json)
        do throws(StoreError) {
            try store.createSnapshot(record, adding: captured.staged)
        } catch {
            discard(captured)
            throw .store(error)
        }
        if let runtime = captured.runtime { keep(runtime, of: record) }
        // The store learns of it with the sandbox's next change; until then only this engine asks.
        sandbox.state.withLock { $0.record.parentSnapshot = record.id }
        housekeeping.shorten(record.layers, of: record.image) { [bases] in bases.hostFolders() }
        housekeeping.makeDurable()
        housekeeping.replenishFiles(overlayMountPoints: before.overlayMountPoints)
        return TakenSnapshot(record: record, report: captured.report, pauseMs: captured.pauseMs)
    }

    /// Makes `overrides.count` sandboxes from the present state of one. All or none.
    public func fork(
        _ sandbox: Sandbox, _ overrides: [Sandbox.Overrides], runtime: RuntimeChoice
    ) throws(SandboxError) -> (children: [Sandbox], pauseMs: Double) {
        let captured = try capture(sandbox, runtime)
        let (record, config) = sandbox.state.withLock { ($0.record, $0.config) }
        var children: [Sandbox] = []
        do throws(SandboxError) {
            for (index, override) in overrides.enumerated() {
                children.append(
                    try start(
                        image: record.image, layers: captured.layers, name: override.name,
                        labels: override.labels ?? record.labels,
                        config: config.descended(from: sandbox.id, origin: .sandbox(sandbox.id), override),
                        parentSnapshot: record.parentSnapshot, adding: index == 0 ? captured.staged : nil,
                        runtime: captured.runtime))
            }
        } catch {
            // A child that cannot be destroyed now is destroyed with the engine.
            for child in children { _ = try? destroy(child) }
            if children.isEmpty { discard(captured) }
            throw error
        }
        housekeeping.shorten(captured.layers, of: record.image) { [bases] in bases.hostFolders() }
        return (children, captured.pauseMs)
    }

    // MARK: Capture

    /// The state of a sandbox's files at one instant.
    private struct Captured {
        /// All layers above the image, topmost first.
        let layers: [LayerID]
        /// The topmost of them, when it is a copy that nothing names yet.
        let staged: StagedLayer?
        /// The layer that the upper has become.
        let sealed: LayerID
        /// The processes; nil when none is kept.
        let runtime: RuntimeState?
        let report: Sandbox.RuntimeReport
        let pauseMs: Double

        /// With a copied upper on top.
        init(
            _ record: SandboxRecord, _ staged: StagedLayer, _ runtime: RuntimeState?, _ report: Sandbox.RuntimeReport,
            pauseMs: Double
        ) {
            layers = [staged.id] + record.layers
            self.staged = staged
            sealed = staged.id
            self.runtime = runtime
            self.report = report
            self.pauseMs = pauseMs
        }

        /// With an upper that has become a layer.
        init(layers: [LayerID], sealed: LayerID, pauseMs: Double) {
            self.layers = layers
            staged = nil
            self.sealed = sealed
            runtime = nil
            report = Sandbox.RuntimeReport()
            self.pauseMs = pauseMs
        }
    }

    /// Removes a copy that came to nothing.
    private func discard(_ captured: Captured) {
        guard let staged = captured.staged else { return }
        // What cannot be removed now goes with the engine.
        try? store.discard(staged)
    }

    private func sizeOf(_ captured: Captured) throws(SandboxError) -> Int64 {
        if let staged = captured.staged { return staged.copied.bytes }
        return try onStore { () throws(StoreError) in try store.sizeOfLayer(captured.sealed) }
    }

    private func capture(_ sandbox: Sandbox, _ runtime: RuntimeChoice) throws(SandboxError) -> Captured {
        let incarnation = try sandbox.running()
        if try onKernel({ () throws(KernelError) in try incarnation.isQuiet() }) {
            return try seal(sandbox, incarnation)
        }
        let record = sandbox.state.withLock { $0.record }
        let store = store
        let copyFiles: @Sendable () throws(SandboxError) -> StagedLayer = { () throws(SandboxError) in
            try onStore { () throws(StoreError) in try store.copyUpper(of: record) }
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
        let captured = try incarnation.captureRuntime(
            requiringAll: runtime == .require, program: ingredients.templateProgram, copyFiles)
        return Captured(
            record, captured.value, captured.explanation.kept > 0 ? captured.state : nil,
            Sandbox.RuntimeReport(captured.explanation), pauseMs: captured.pauseMs)
    }

    /// Turns the upper of a quiet sandbox into a layer and puts an empty one on top.
    private func seal(_ sandbox: Sandbox, _ incarnation: Incarnation) throws(SandboxError) -> Captured {
        let begun = ContinuousClock.now
        let before = sandbox.state.withLock { $0.record }
        let base = try bases.base(of: before.image)
        let prepared = try onStore { () throws(StoreError) in try self.store.prepareFilesForSeal(of: before) }
        let files = layered(
            id: before.id, files: prepared, on: before.layers, sealing: before.files, base)
        var layer: LayerID?
        do throws(SandboxError) {
            try incarnation.switchRoot(to: files, store: store.path) { () throws(SandboxError) in
                var record = before
                let sealed = try onStore { () throws(StoreError) in try store.seal(&record, into: prepared) }
                let next = record
                sandbox.state.withLock { $0.record = next }
                layer = sealed.layer
                housekeeping.discard(sealed.previousFiles, of: next.id)
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
