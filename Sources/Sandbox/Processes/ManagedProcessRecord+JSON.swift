import JSON
import Kernel

/// How the processes of a captured sandbox lie in the store.
extension ProcessTableRecord {
    var json: JSONValue {
        .object(["next": .int(Int64(nextNumber)), "processes": .array(processes.map(\.json))])
    }

    /// Nil when the value is not what `json` writes.
    init?(json: JSONValue) {
        guard case .object(let fields) = json, let next = fields["next"]?.number,
            case .array(let entries) = fields["processes"]
        else { return nil }
        let processes = entries.compactMap { ManagedProcessRecord(json: $0) }
        if processes.count != entries.count { return nil }
        self.init(nextNumber: Int(next), processes: processes)
    }
}

extension ManagedProcessRecord {
    var json: JSONValue {
        var fields: [String: JSONValue] = [
            "number": .int(Int64(number)), "pid": .int(Int64(pid)), "program": program.json,
            "startedAt": .int(startedAt.nanoseconds), "input": .bool(hasInput),
        ]
        fields["name"] = name.map { .string($0) }
        fields["terminal"] = terminal.map { .array([.int(Int64($0.columns)), .int(Int64($0.rows))]) }
        fields["output"] = output?.json
        fields["exit"] = exit?.json
        switch origin {
        // As text: marks and ticks may be beyond the integers of JSON.
        case .started(let mark): fields["mark"] = .string(String(mark.rawValue))
        case .leftBehind(let ticks): fields["startTicks"] = .string(String(ticks))
        }
        return .object(fields)
    }

    /// Nil when the value is not what `json` writes.
    init?(json: JSONValue) {
        guard case .object(let fields) = json,
            let number = fields["number"]?.number, let pid = fields["pid"]?.number.flatMap({ Int32(exactly: $0) }),
            let program = fields["program"].flatMap({ SandboxCommand.Program(json: $0) }),
            let startedAt = fields["startedAt"]?.number, case .bool(let hasInput) = fields["input"]
        else { return nil }
        let origin: ManagedProcess.Origin
        if let mark = fields["mark"]?.text.flatMap({ UInt64($0) }) {
            origin = .started(ExecMark(rawValue: mark))
        } else if let ticks = fields["startTicks"]?.text.flatMap({ UInt64($0) }) {
            origin = .leftBehind(startTicks: ticks)
        } else {
            return nil
        }
        self.init(
            number: Int(number), pid: pid, name: fields["name"]?.text, program: program,
            startedAt: FileTime(nanoseconds: startedAt), origin: origin, hasInput: hasInput)
        if let value = fields["terminal"] {
            guard let size = TerminalDimensions(json: value) else { return nil }
            terminal = size
        }
        if let value = fields["output"] {
            guard let output = Output(json: value) else { return nil }
            self.output = output
        }
        if let value = fields["exit"] {
            guard let exit = ProcessExit(json: value) else { return nil }
            self.exit = exit
        }
    }
}

extension ManagedProcessRecord.Output {
    fileprivate var json: JSONValue {
        .object([
            "cursor": .int(Int64(ring.end)), "kept": .string(Base64.encode(Array(ring.content))),
            "runs": .array(ring.keptRuns.map { .array([.string($0.stream.rawValue), .int(Int64($0.end))]) }),
            "ended": .object(
                Dictionary(uniqueKeysWithValues: ended.map { ($0.key.rawValue, .string($0.value.rawValue)) })),
            "open": .array(open.map { .string($0.rawValue) }),
        ])
    }

    fileprivate init?(json: JSONValue) {
        guard case .object(let fields) = json, let cursor = fields["cursor"]?.number,
            let kept = fields["kept"]?.text.flatMap(Base64.decode), case .array(let entries) = fields["runs"],
            case .object(let ends) = fields["ended"], case .array(let open) = fields["open"]
        else { return nil }
        let runs = entries.compactMap { OutputRing.Run(json: $0) }
        guard runs.count == entries.count, let ring = OutputRing(end: Int(cursor), content: kept, runs: runs) else {
            return nil
        }
        self.init(ring: ring, ended: [:], open: Set(open.compactMap { $0.text.flatMap(CommandStream.init) }))
        for (name, reason) in ends {
            guard let stream = CommandStream(rawValue: name), let reason = reason.text.flatMap(OutputEnd.init) else {
                return nil
            }
            ended[stream] = reason
        }
    }
}

extension OutputRing.Run {
    fileprivate init?(json: JSONValue) {
        guard case .array(let parts) = json, parts.count == 2,
            let stream = parts[0].text.flatMap(CommandStream.init), let end = parts[1].number
        else { return nil }
        self.init(stream: stream, end: Int(end))
    }
}

extension SandboxCommand.Program {
    fileprivate var json: JSONValue {
        switch self {
        case .shell(let line): .string(line)
        case .arguments(let arguments): .array(arguments.map { .string($0) })
        }
    }

    fileprivate init?(json: JSONValue) {
        switch json {
        case .string(let line): self = .shell(line)
        case .array(let words):
            let arguments = words.compactMap(\.text)
            if arguments.count != words.count || arguments.isEmpty { return nil }
            self = .arguments(arguments)
        default: return nil
        }
    }
}

extension ProcessExit {
    fileprivate var json: JSONValue {
        switch self {
        case .status(.exited(let code)): .object(["code": .int(Int64(code))])
        case .status(.signaled(let number)): .object(["signal": .int(Int64(number))])
        case .unknown: .object([:])
        }
    }

    fileprivate init?(json: JSONValue) {
        guard case .object(let fields) = json else { return nil }
        if let code = fields["code"]?.number {
            self = .status(.exited(code: Int32(truncatingIfNeeded: code)))
        } else if let number = fields["signal"]?.number {
            self = .status(.signaled(Int32(truncatingIfNeeded: number)))
        } else {
            self = .unknown
        }
    }
}

extension TerminalDimensions {
    fileprivate init?(json: JSONValue) {
        guard case .array(let parts) = json, parts.count == 2,
            let columns = parts[0].number.flatMap({ UInt16(exactly: $0) }),
            let rows = parts[1].number.flatMap({ UInt16(exactly: $0) })
        else { return nil }
        self.init(columns: columns, rows: rows)
    }
}

extension JSONValue {
    fileprivate var text: String? {
        if case .string(let text) = self { return text }
        return nil
    }

    fileprivate var number: Int64? {
        if case .int(let number) = self { return number }
        return nil
    }
}
