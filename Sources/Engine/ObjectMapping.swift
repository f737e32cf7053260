import Kernel
import Protocol
import Sandbox
import Store

// The kernel half's values as the protocol shows them.

extension Protocol.SandboxStatus {
    init(_ status: Sandbox.Status) {
        self =
            switch status {
            case .creating: .creating
            case .running: .running
            case .hibernated: .hibernated
            case .destroyed: .destroyed
            case .error: .error
            }
    }
}

extension Protocol.NetworkMode {
    init(_ mode: Sandbox.NetworkMode) {
        self =
            switch mode {
            case .nat: .nat
            case .none: .none
            }
    }
}

extension Protocol.RuntimeReport {
    init(_ report: Sandbox.RuntimeReport) {
        self.init(
            kept: report.kept,
            dropped: report.dropped.map { .init(pid: Int($0.pid), command: $0.command, reason: $0.reason) },
            reset: report.reset.map { .init(pid: Int($0.pid), command: $0.command, what: $0.what) })
    }
}

extension Timestamp {
    init(_ time: FileTime) {
        let (seconds, nanoseconds) = time.nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
        self.init(seconds: seconds, nanoseconds: nanoseconds)
    }
}

extension Protocol.FileType {
    init(_ kind: FileKind) {
        self =
            switch kind {
            case .regular: .file
            case .directory: .directory
            case .symlink: .symlink
            case .fifo: .fifo
            case .socket: .socket
            case .characterDevice: .characterDevice
            case .blockDevice: .blockDevice
            }
    }
}

extension Protocol.FileChange {
    /// - Parameter path: from the root, without a slash at the beginning.
    init(
        path: FilePath, kind: LayerChange.Kind, type: FileKind, size: Int64, diff: String? = nil,
        diffOmitted: DiffOmission? = nil
    ) {
        let wireKind: Kind =
            switch kind {
            case .added: .added
            case .modified: .modified
            case .deleted: .deleted
            case .type: .type
            }
        self.init(
            path: "/\(path)", kind: wireKind, type: .init(type), size: Int(size), diff: diff,
            diffOmitted: diffOmitted)
    }
}

extension SandboxCommand.Program {
    init(_ command: Command) {
        self =
            switch command {
            case .shell(let line): .shell(line)
            case .arguments(let arguments): .arguments(arguments)
            }
    }
}

extension ReachedLimit {
    init(_ limit: SandboxLimit) {
        self =
            switch limit {
            case .memory: .memory
            case .pids: .pids
            case .disk: .disk
            }
    }
}

extension ExitStatus {
    /// 128 + n after signal n, as a shell has it.
    var code: Int {
        switch self {
        case .exited(let code): Int(code)
        case .signaled(let number): 128 + Int(number)
        }
    }

    /// As `SIGKILL`.
    var signalName: String? {
        if case .signaled(let number) = self { return SignalNames.name(of: number) }
        return nil
    }
}

extension ProcessExit {
    /// Nil when nothing is known of how the process ended.
    var status: ExitStatus? {
        if case .status(let status) = self { return status }
        return nil
    }
}

extension ProcessObject {
    init(_ process: ProcessDescription) {
        let command: Command =
            switch process.program {
            case .shell(let line): .shell(line)
            case .arguments(let arguments): .arguments(arguments)
            }
        self.init(
            id: process.id, pid: Int(process.pid), name: process.name, command: command,
            startedAt: Timestamp(process.startedAt), status: process.exit == nil ? .running : .exited,
            exitCode: process.exit?.status?.code, signal: process.exit?.status?.signalName,
            pty: process.terminal.map { TerminalSize(cols: Int($0.columns), rows: Int($0.rows)) },
            outputCursor: process.outputCursor)
    }
}

extension SandboxObject {
    init(_ sandbox: Sandbox) {
        let facts = sandbox.describe()
        let config = facts.config
        let parent: Parent? =
            switch config.origin {
            case .sandbox(let id): .sandbox(id)
            case .snapshot(let id): .snapshot(id)
            case nil: nil
            }
        self.init(
            id: facts.id, name: facts.name, labels: facts.labels, status: .init(facts.status), image: facts.image,
            env: config.environment, cwd: config.directory, user: config.user,
            hostname: config.hostname ?? facts.id, vcpus: config.limits.vcpus, memMiB: config.limits.memMiB,
            diskMiB: config.limits.diskMiB, pidsMax: config.limits.pidsMax,
            execsMax: config.limits.execsMax, network: .init(config.network),
            createTime: .milliseconds(facts.createMs), createdAt: Timestamp(facts.createdAt), parent: parent,
            timeoutSec: config.idleTimeoutSec,
            mounts: config.mounts.isEmpty
                ? nil
                : config.mounts.map {
                    Mount(source: $0.location, target: $0.mountPoint, mode: $0.isReadOnly ? .readOnly : .readWrite)
                },
            runtime: facts.runtimeReport.map { .init($0) })
    }
}

extension SandboxObject.Network {
    init(_ network: SandboxNetwork) {
        func texts(_ rules: [NetworkRule]) -> [String]? { rules.isEmpty ? nil : rules.map(\.text) }
        self.init(
            mode: .init(network.mode), reason: network.reason, allow: texts(network.allow), deny: texts(network.deny))
    }
}

extension SnapshotObject {
    /// Nil when the record's own part cannot be read.
    init?(_ record: SnapshotRecord) {
        guard let facts = SnapshotFacts(json: record.config) else { return nil }
        self.init(record, facts.report, memoryBytes: facts.memoryBytes, pauseMs: facts.pauseMs)
    }

    init(_ record: SnapshotRecord, _ report: Sandbox.RuntimeReport, memoryBytes: UInt64, pauseMs: Double) {
        self.init(
            id: record.id.rawValue, name: record.name, labels: record.labels, sandboxID: record.sandbox.rawValue,
            parentSnapshotID: record.parentSnapshot?.rawValue, image: record.image.reference,
            createdAt: Timestamp(record.createdAt), sizeBytes: Int(record.sizeBytes),
            memoryBytes: Int(clamping: memoryBytes),
            pause: .milliseconds(pauseMs), runtime: .init(report))
    }
}

extension Sandbox.Overrides {
    /// - Throws: `networkUnavailable` for a network that cannot be had.
    init(_ overrides: SandboxOverrides, method: String) throws {
        self.init(
            name: overrides.name, labels: overrides.labels, environment: overrides.env ?? [:], vcpus: overrides.vcpus,
            memMiB: overrides.memMiB,
            network: try overrides.network.map { try NetworkChoice.resolve($0, method: method) },
            idleTimeoutSec: overrides.timeoutSec)
    }
}

extension RuntimeChoice {
    init(_ policy: RuntimePolicy) {
        self =
            switch policy {
            case .auto: .auto
            case .require: .require
            case .none: .none
            }
    }
}
