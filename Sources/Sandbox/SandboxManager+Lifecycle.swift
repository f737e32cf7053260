import Kernel
import Store

extension SandboxManager {
    /// What `destroy` tells about the sandbox's life.
    public struct FinalUsage: Sendable {
        public let cpuMs: Double
        public let peakMemoryBytes: UInt64
        public let uptimeMs: Double
    }

    /// Adds up what a life of a sandbox has used, and forgets what was kept for captures of it.
    private func end(_ sandbox: Sandbox, _ incarnation: Incarnation) {
        sandbox.retire(incarnation)
        runtimes.dropBase(of: sandbox.state.withLock { $0.record.id })
    }

    /// Ends every process and removes the files. Commands under way fail with what they had printed.
    ///
    /// - Throws: `destroyed` when that was done before.
    public func destroy(_ sandbox: Sandbox) throws(SandboxError) -> FinalUsage {
        let (incarnation, status, record) = sandbox.state.withLock { ($0.incarnation, $0.status, $0.record) }
        if status == .destroyed { throw .destroyed(id: sandbox.id) }
        if status == .hibernated { _ = try claim(sandbox) }
        if let incarnation { end(sandbox, incarnation) }
        change(sandbox, to: .destroyed) { $0.incarnation = nil }
        unregister(sandbox)
        incarnation?.destroy()
        try onStore { () throws(StoreError) in try store.deleteSandbox(record.id) }
        // Its own layers may be nobody's now, and its image's, when the name has come to stand for another one.
        let hadNoLayers = record.layers.isEmpty && record.image.layers.isEmpty
        if hadNoLayers { housekeeping.emptyTrash() } else { housekeeping.collectGarbage() }
        let (cpu, peak) = sandbox.state.withLock { ($0.pastCPUMicroseconds, $0.pastPeakMemoryBytes) }
        return FinalUsage(
            cpuMs: Double(cpu) / 1000, peakMemoryBytes: peak,
            uptimeMs: Double(FileTime.now.nanoseconds - record.createdAt.nanoseconds) / 1e6)
    }

    /// Puts a sandbox out of memory: its processes, files and id stay.
    ///
    /// On failure the sandbox goes on as it was.
    /// - Throws: `runtimeStateUnsupported` when a process cannot be kept, or a command is under way.
    public func hibernate(_ sandbox: Sandbox) throws(SandboxError) {
        let incarnation = try sandbox.running()
        let underWay = try onKernel { () throws(KernelError) in try incarnation.members().inFlight }
        if !underWay.isEmpty {
            throw .runtimeStateUnsupported(
                underWay.map { .init(pid: $0.pid, command: $0.command, reason: "a command is still running") })
        }
        if try onKernel({ () throws(KernelError) in try incarnation.isQuiet() }) {
            try retire(sandbox, incarnation)
        } else {
            try captureForHibernation(sandbox, incarnation) { [self] () throws(SandboxError) in
                try onKernel { () throws(KernelError) in try FaultPoint.hibernateCaptured.pass() }
                try retire(sandbox, incarnation)
            }
        }
        durability.followStore()
    }

    /// Notes that a sandbox hibernates, and ends what still runs of it.
    private func retire(_ sandbox: Sandbox, _ incarnation: Incarnation) throws(SandboxError) {
        try sandbox.changingRecord.withLock { _ throws(SandboxError) in
            var record = sandbox.state.withLock { $0.record }
            record.state = .hibernated
            let hibernated = record
            try onStore { () throws(StoreError) in try store.updateSandbox(hibernated) }
            end(sandbox, incarnation)
            change(sandbox, to: .hibernated) { state in
                state.record = hibernated
                state.incarnation = nil
            }
        }
        let table = incarnation.processTable
        table.interrupt(surviving: table.surviving(in: table))
        incarnation.destroy()
    }

    /// Brings a hibernated sandbox back, with its processes unless only its files are asked for.
    ///
    /// - Throws: `snapshotIncompatible`, `runtimeStateCorrupt` when its processes cannot be had: it hibernates on.
    public func resume(_ sandbox: Sandbox, runtime: RuntimeChoice) throws(SandboxError) {
        let (status, config, nextProcess) = sandbox.state.withLock { ($0.status, $0.config, $0.nextProcessNumber) }
        if status != .hibernated {
            _ = try sandbox.running()
            throw .wrongState(id: sandbox.id, status, allowed: [.hibernated])
        }
        try takePlace()
        var isAwake = false
        defer { if !isAwake { givePlaceBack() } }
        var record = try claim(sandbox)
        do throws(SandboxError) {
            let claimed = record
            try onStore { () throws(StoreError) in try store.renewWork(of: claimed) }
            housekeeping.emptyTrash()
            let files = layered(record, try bases.base(of: record.image))
            let processes = try hibernatedRuntime(of: record.id, runtime)
            let incarnation = try incarnate(
                record.id, config, .toMount(files), processes, of: record.id.rawValue, nextProcessNumber: nextProcess)
            // What stays of it is the sandbox's, and goes with it.
            try? store.discardRuntime(of: record.id)
            let running = record
            isAwake = true
            change(sandbox, to: .running) { state in
                state.record = running
                state.incarnation = incarnation
                state.runtimeReport = processes.map { Sandbox.RuntimeReport(kept: $0.processCount) }
            }
            watch(incarnation, of: sandbox)
            supervision.watch.noticeSandbox()
        } catch {
            record.state = .hibernated
            let hibernated = record
            try onStore { () throws(StoreError) in try store.updateSandbox(hibernated) }
            throw error
        }
    }

    /// Makes a hibernated sandbox this engine's; another one may have been quicker.
    private func claim(_ sandbox: Sandbox) throws(SandboxError) -> SandboxRecord {
        let id = sandbox.state.withLock { $0.record.id }
        do throws(StoreError) {
            return try store.claimHibernated(id)
        } catch {
            switch error {
            case .sandboxInUse, .sandboxNotFound: forget(sandbox)
            default: break
            }
            throw .store(error)
        }
    }

    /// Puts the files and processes of a snapshot in the place of the present ones. The id stays; commands end.
    ///
    /// On failure the sandbox is as it was.
    /// - Throws: `snapshotIncompatible` when the snapshot is not of this sandbox or of one that it descends from.
    public func rollback(_ sandbox: Sandbox, to id: String, runtime: RuntimeChoice) throws(SandboxError) {
        let (snapshot, facts) = try snapshotRecord(id)
        var (record, config) = sandbox.state.withLock { ($0.record, $0.config) }
        guard ([sandbox.id] + config.ancestors).contains(snapshot.sandbox.rawValue) else {
            throw .snapshotIncompatible(
                id: id,
                reason: "it is of sandbox \(snapshot.sandbox), which \(sandbox.id) does not descend from; use restore")
        }
        config.takeEnvironment(of: facts.config)
        record.config = config.json
        record.parentSnapshot = snapshot.id
        try replace(sandbox, by: (snapshot, facts), record, config, runtime, reason: "rolled back to \(id)")
    }

    /// Puts the files and processes of another sandbox, which stands on the same image, in the place of the present ones. The
    /// id and the configuration stay; commands end. The other sandbox stays as it is.
    ///
    /// On failure the sandbox is as it was.
    public func adopt(_ sandbox: Sandbox, from other: Sandbox, runtime: RuntimeChoice) throws(SandboxError) {
        let taken = try snapshot(other, name: nil, labels: [:], runtime: runtime, isDurable: false)
        let id = taken.record.id.rawValue
        do throws(SandboxError) {
            let (snapshot, facts) = try snapshotRecord(id)
            let (record, config) = sandbox.state.withLock { ($0.record, $0.config) }
            try replace(sandbox, by: (snapshot, facts), record, config, runtime, reason: "took over from \(other.id)")
        } catch {
            // The first failure is the one to tell; a snapshot that stays is listed.
            try? deleteSnapshot(id)
            throw error
        }
        try deleteSnapshot(id)
    }

    /// - Parameters:
    ///   - record: the sandbox's, with what else is to change in it.
    ///   - config: what the record's configuration says.
    private func replace(
        _ sandbox: Sandbox, by state: (snapshot: SnapshotRecord, facts: SnapshotFacts), _ record: SandboxRecord,
        _ config: SandboxConfig, _ runtime: RuntimeChoice, reason: String
    ) throws(SandboxError) {
        let former = try sandbox.running()
        let (snapshot, facts) = state
        let id = snapshot.id.rawValue
        let processes = try runtimeState(of: snapshot, facts.report, runtime)
        let layers = try onStore { () throws(StoreError) in try store.shortened(snapshot.layers) }
        let prepared = try onStore { () throws(StoreError) in try store.prepareFiles(for: record, on: layers) }
        var incarnation: Incarnation?
        do throws(SandboxError) {
            let base = try bases.base(of: record.image)
            let files = layered(id: record.id, files: prepared, on: layers, base)
            incarnation = try incarnate(
                record.id, config, .toMount(files), processes, of: id, nextProcessNumber: former.processTable.nextNumber
            )
            try onKernel { () throws(KernelError) in try FaultPoint.rollbackSwitched.pass() }
            let previous = try sandbox.changingRecord.withLock { _ throws(SandboxError) in
                var config = config
                // It may have been changed meanwhile.
                config.idleTimeoutSec = sandbox.state.withLock { $0.config.idleTimeoutSec }
                var switched = record
                switched.config = config.json
                let previous = try onStore { () throws(StoreError) in
                    try store.switchFiles(
                        of: &switched, to: prepared, layers: layers, parentSnapshot: record.parentSnapshot)
                }
                let (next, present) = (switched, config)
                end(sandbox, former)
                change(sandbox, to: .running, reason: reason) { state in
                    state.record = next
                    state.config = present
                    state.incarnation = incarnation
                    state.runtimeReport = processes.map { _ in facts.report }
                }
                return previous
            }
            if let processes { runtimes.keep(processes, asBaseOf: record.id) }
            if let incarnation { watch(incarnation, of: sandbox) }
            former.processTable.cutOff()
            let table = incarnation?.processTable
            former.processTable.interrupt(surviving: table.map(former.processTable.surviving) ?? [])
            former.kill()
            housekeeping.destroy(former)
            housekeeping.discard(previous, of: record.id)
        } catch {
            incarnation?.destroy()
            try? store.discardFiles(prepared, of: record.id)
            throw error
        }
        housekeeping.replenishFiles(overlayMountPoints: record.overlayMountPoints)
    }
}
