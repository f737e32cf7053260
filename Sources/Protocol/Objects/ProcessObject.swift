import JSON

/// A long-lived process as the client sees it (`Process` in the schema).
public struct ProcessObject: Equatable, Sendable, JSONEncodable {
    public enum Status: String, WireChoice {
        case running, exited
    }

    public var id: String
    /// Inside the sandbox.
    public var pid: Int
    public var name: String?
    public var command: Command
    public var startedAt: Timestamp
    public var status: Status
    /// Once it has exited; 128 + n after signal n.
    public var exitCode: Int?
    /// The signal that ended it, as `SIGKILL`.
    public var signal: String?
    public var pty: TerminalSize?
    /// Bytes of output so far: the cursor at which new output will begin.
    public var outputCursor: Int

    public init(
        id: String, pid: Int, name: String?, command: Command, startedAt: Timestamp, status: Status, exitCode: Int?,
        signal: String?, pty: TerminalSize?, outputCursor: Int
    ) {
        self.id = id
        self.pid = pid
        self.name = name
        self.command = command
        self.startedAt = startedAt
        self.status = status
        self.exitCode = exitCode
        self.signal = signal
        self.pty = pty
        self.outputCursor = outputCursor
    }

    public var json: JSONValue {
        .fields([
            "id": id, "pid": pid, "name": name, "command": command, "startedAt": startedAt, "status": status,
            "exitCode": exitCode, "signal": signal, "pty": pty, "outputCursor": outputCursor,
        ])
    }
}

/// The size of a terminal in character cells.
public struct TerminalSize: ParamsDecodable, JSONEncodable {
    public let cols: Int
    public let rows: Int

    public init(cols: Int, rows: Int) {
        self.cols = cols
        self.rows = rows
    }

    public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
        cols = try fields.required("cols", .integer(FieldLimit.terminalCells))
        rows = try fields.required("rows", .integer(FieldLimit.terminalCells))
    }

    public var json: JSONValue { .fields(["cols": cols, "rows": rows]) }
}

/// Which output of a command; a terminal's is all `stdout`.
public enum OutputStream: String, WireChoice {
    case stdout, stderr
}

/// A signal that `process/signal` can send, by its name. Real-time signals are not offered.
public enum SignalName: String, WireChoice {
    case hup = "SIGHUP"
    case int = "SIGINT"
    case quit = "SIGQUIT"
    case ill = "SIGILL"
    case trap = "SIGTRAP"
    case abrt = "SIGABRT"
    case bus = "SIGBUS"
    case fpe = "SIGFPE"
    case kill = "SIGKILL"
    case usr1 = "SIGUSR1"
    case segv = "SIGSEGV"
    case usr2 = "SIGUSR2"
    case pipe = "SIGPIPE"
    case alrm = "SIGALRM"
    case term = "SIGTERM"
    case chld = "SIGCHLD"
    case cont = "SIGCONT"
    case stop = "SIGSTOP"
    case tstp = "SIGTSTP"
    case ttin = "SIGTTIN"
    case ttou = "SIGTTOU"
    case urg = "SIGURG"
    case xcpu = "SIGXCPU"
    case xfsz = "SIGXFSZ"
    case vtalrm = "SIGVTALRM"
    case prof = "SIGPROF"
    case winch = "SIGWINCH"
    case io = "SIGIO"
    case pwr = "SIGPWR"
    case sys = "SIGSYS"
}
