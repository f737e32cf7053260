import InitProtocol
import Kernel

/// A program to run in a sandbox.
public struct SandboxCommand: Sendable {
    public enum Program: Sendable, Equatable {
        /// Run by `/bin/sh -c`.
        case shell(String)
        /// The program's name or path, and its arguments; never empty.
        case arguments([String])
    }

    public var program: Program
    /// Nil: the sandbox's own.
    public var directory: String?
    /// Added to the sandbox's environment, and stronger.
    public var environment: [String: String]
    /// `name`, `uid`, `name:group` or `uid:gid`. Nil: the sandbox's own.
    public var user: String?

    public init(
        _ program: Program, directory: String? = nil, environment: [String: String] = [:], user: String? = nil
    ) {
        self.program = program
        self.directory = directory
        self.environment = environment
        self.user = user
    }

    /// The arguments that the process sees.
    var arguments: [String] {
        switch program {
        case .shell(let line): ["/bin/sh", "-c", line]
        case .arguments(let arguments): arguments
        }
    }

    /// The pathnames to try, in order: the program's own when it holds a slash, else one in each folder of PATH.
    func candidates(path: String) -> [String] {
        let name = arguments[0]
        if name.isEmpty || name.contains("/") { return [name] }
        return path.split(separator: ":", omittingEmptySubsequences: false).map { folder in
            folder.isEmpty ? name : "\(folder)/\(name)"
        }
    }
}

/// A command with everything looked up: what isorun-init needs to start it.
struct PreparedCommand {
    let arguments: [String]
    let candidates: [String]
    let directory: String
    let environment: [String: String]
    let user: SandboxUser
    let mark: ExecMark
    /// Whether its standard descriptors are a terminal, which is to control its session.
    var hasTerminal = false

    /// The payload of ISORUN_SPAWN.
    /// - Throws: `limitExceeded` for more than any kernel takes.
    func payload() throws(SandboxError) -> [UInt8] {
        let header = isorun_spawn(
            mark: mark.rawValue, uid: user.uid, gid: user.gid, group_count: UInt32(user.groups.count),
            path_count: UInt32(candidates.count), argument_count: UInt32(arguments.count),
            environment_count: UInt32(environment.count),
            flags: hasTerminal ? UInt32(ISORUN_SPAWN_TERMINAL) : 0, reserved: 0)
        var bytes = rawBytes(of: header)
        for group in user.groups { bytes += rawBytes(of: group) }
        func append(_ text: String) {
            bytes += Array(text.utf8)
            bytes.append(0)
        }
        append(directory)
        candidates.forEach(append)
        arguments.forEach(append)
        for (name, value) in environment { append("\(name)=\(value)") }
        if bytes.count > Int(ISORUN_REQUEST_LIMIT) { throw Self.tooLarge }
        return bytes
    }

    private static let tooLarge = SandboxError.limitExceeded(
        limit: "arguments", reason: "the arguments and the environment are larger than the kernel takes")

    /// What the failure to start means for the one who asked.
    func error(for refusal: InitChannel.Refusal) -> SandboxError {
        let call = refusal.step.rawValue
        switch (refusal.step, refusal.errno) {
        case (.execute, .noSuchFile):
            return .commandNotFound(arguments[0])
        case (.execute, .accessDenied), (.execute, .notExecutableFormat), (.execute, .isDirectory):
            return .commandNotExecutable(arguments[0], reason: refusal.errno.message)
        case (.execute, .tooBig):
            return Self.tooLarge
        case (.directory, .noSuchFile), (.directory, .notDirectory), (.directory, .accessDenied):
            return .directoryNotFound(directory)
        case (.fork, .again):
            return .limitExceeded(limit: "pidsMax", reason: "the sandbox has as many processes as it may have")
        case (.user, .invalid):
            return .userNotFound("\(user.uid):\(user.gid)")
        default:
            return .kernel(KernelError(call, arguments[0], errno: refusal.errno))
        }
    }
}
