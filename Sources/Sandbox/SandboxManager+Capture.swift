import Checkpoint
import Kernel
import Store

/// How the files and processes of a sandbox are taken at one instant.
extension SandboxManager {
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

    /// - Parameter isStored: whether the processes are written to the disk, in the background.
    func capture(
        _ sandbox: Sandbox, _ runtime: RuntimeChoice, isStored: Bool
    ) throws(SandboxError) -> Captured {
        let incarnation = try sandbox.running()
        if try onKernel({ () throws(KernelError) in try incarnation.isQuiet() }) {
            return try seal(sandbox, incarnation)
        }
        let record = sandbox.state.withLock { $0.record }
        let (copy, pauseAhead) = try copyAhead(record, incarnation)
        do throws(SandboxError) {
            return try capture(sandbox, incarnation, copy, pauseAhead, runtime, isStored: isStored)
        } catch {
            // What cannot be removed now goes with the engine.
            try? store.discard(copy)
            throw error
        }
    }

    /// Copies the upper as far as that can be done while processes run.
    ///
    /// - Returns: the copy, and how long the processes stood still nevertheless, in milliseconds.
    private func copyAhead(
        _ record: SandboxRecord, _ incarnation: Incarnation
    ) throws(SandboxError) -> (copy: UpperCopy, pauseMs: Double) {
        let store = store
        let former = incarnation.formerUpper.withLock { $0 }
        let copy = try onStore { () throws(StoreError) in try store.beginCopy(ofUpperOf: record, after: former) }
        var pauseMs = 0.0
        do throws(SandboxError) {
            try onStore { () throws(StoreError) in try copy.advance() }
            if copy.hasMuchLeft {
                let stop = try incarnation.whileStopped { (shared: SharedFiles?) throws(SandboxError) in
                    try shared.map { (files) throws(SandboxError) in
                        try onStore { () throws(StoreError) in try store.quietMoment(of: record, mapped: files.paths) }
                    }
                }
                pauseMs = stop.pauseMs
                if let moment = stop.value { try onStore { () throws(StoreError) in try copy.advance(since: moment) } }
            }
            try onKernel { () throws(KernelError) in try FaultPoint.captureFilesAhead.pass() }
        } catch {
            // What cannot be removed now goes with the engine.
            try? store.discard(copy)
            throw error
        }
        return (copy, pauseMs)
    }

    /// - Parameters:
    ///   - copy: of the upper, as far as it could be made before.
    ///   - pauseAhead: how long the processes stood still for that.
    private func capture(
        _ sandbox: Sandbox, _ incarnation: Incarnation, _ copy: UpperCopy, _ pauseAhead: Double,
        _ runtime: RuntimeChoice, isStored: Bool
    ) throws(SandboxError) -> Captured {
        let record = sandbox.state.withLock { $0.record }
        let copyRest: @Sendable () throws(SandboxError) -> StagedLayer = { () throws(SandboxError) in
            let completed = try onStore { () throws(StoreError) in try copy.complete() }
            incarnation.formerUpper.withLock { $0 = completed.next }
            return completed.layer
        }
        let leftBehind = try onKernel { () throws(KernelError) in try incarnation.members().leftBehind }
        if runtime == .none || leftBehind.isEmpty {
            let (staged, pauseMs) = try incarnation.whileStopped(copyRest)
            var report = Sandbox.RuntimeReport()
            report.dropped = leftBehind.map {
                .init(pid: $0.pid, command: $0.command, reason: "files only were asked for")
            }
            return Captured(record, staged, nil, report, pauseMs: pauseAhead + pauseMs)
        }
        let ownFiles = try ownFiles(of: sandbox)
        let (staged, folder): (StagedRuntime?, StateFolder?) = isStored ? try stageRuntime() : (nil, nil)
        do throws(SandboxError) {
            let captured = try incarnation.captureRuntime(
                requiringAll: runtime == .require, program: ingredients.templateProgram, storingIn: folder,
                ownFiles: ownFiles, copyRest)
            let isEmpty = captured.explanation.kept == 0
            if isEmpty, let staged {
                try? captured.state.waitUntilStored()
                try? store.discard(staged)
            }
            return Captured(
                record, captured.value, isEmpty ? nil : (captured.state, staged),
                Sandbox.RuntimeReport(captured.explanation), pauseMs: pauseAhead + captured.pauseMs)
        } catch {
            if let staged { try? store.discard(staged) }
            throw error
        }
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
