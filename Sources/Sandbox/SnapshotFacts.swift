import JSON

/// What a snapshot's record holds, below `config`, besides what the store itself knows.
public struct SnapshotFacts: Sendable {
    /// Of the sandbox, when the snapshot was taken.
    public let config: SandboxConfig
    public let report: Sandbox.RuntimeReport
    /// Private memory of the captured processes.
    public let memoryBytes: UInt64
    public let pauseMs: Double

    init(config: SandboxConfig, report: Sandbox.RuntimeReport, memoryBytes: UInt64, pauseMs: Double) {
        self.config = config
        self.report = report
        self.memoryBytes = memoryBytes
        self.pauseMs = pauseMs
    }

    var json: JSONValue {
        .object([
            "sandbox": config.json,
            "kept": .int(Int64(report.kept)),
            "dropped": .array(report.dropped.map { entry($0.pid, $0.command, "reason", $0.reason) }),
            "reset": .array(report.reset.map { entry($0.pid, $0.command, "what", $0.what) }),
            "memoryBytes": .int(Int64(memoryBytes)),
            "pauseMs": .double(pauseMs),
        ])
    }

    /// Nil when the value is not what `json` writes.
    public init?(json: JSONValue) {
        guard case .object(let fields) = json, let sandbox = fields["sandbox"],
            let config = SandboxConfig(json: sandbox),
            case .int(let kept) = fields["kept"],
            case .array(let dropped) = fields["dropped"],
            case .array(let reset) = fields["reset"],
            case .int(let memoryBytes) = fields["memoryBytes"],
            case .double(let pauseMs) = fields["pauseMs"]
        else { return nil }
        var report = Sandbox.RuntimeReport()
        report.kept = Int(kept)
        report.dropped = dropped.compactMap { parts($0, "reason").map { .init(pid: $0, command: $1, reason: $2) } }
        report.reset = reset.compactMap { parts($0, "what").map { .init(pid: $0, command: $1, what: $2) } }
        self.init(
            config: config, report: report, memoryBytes: UInt64(clamping: memoryBytes), pauseMs: pauseMs)
    }
}

private func entry(_ pid: Int32, _ command: String, _ key: String, _ text: String) -> JSONValue {
    .object(["pid": .int(Int64(pid)), "command": .string(command), key: .string(text)])
}

private func parts(_ entry: JSONValue, _ key: String) -> (Int32, String, String)? {
    guard case .object(let fields) = entry, case .int(let pid) = fields["pid"],
        case .string(let command) = fields["command"], case .string(let text) = fields[key]
    else { return nil }
    return (Int32(truncatingIfNeeded: pid), command, text)
}
