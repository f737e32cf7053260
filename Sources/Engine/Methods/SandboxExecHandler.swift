import JSONRPC
import Kernel
import Protocol
import Sandbox
import Synchronization

enum SandboxExecHandler: RequestHandler {
    typealias Request = SandboxExec

    static func handle(_ params: SandboxExec.Params, _ context: RequestContext) async throws -> SandboxExec.Result {
        let sandbox = try context.runtime.manager.sandbox(params.sandboxID)
        let sink = params.outputToken.map {
            ExecOutputSink(token: $0, encoding: params.encoding, writer: context.session.writer)
        }
        let options = ExecutionOptions(
            input: params.stdin, timeout: params.timeoutMs.map { .milliseconds($0) },
            outputLimit: params.maxOutputBytes, sink: sink)
        do throws(ExecutionFailure) {
            let result = try await sandbox.execute(SandboxCommand(params), options)
            sink?.finish()
            return SandboxExec.Result(result, encoding: params.encoding)
        } catch {
            sink?.finish()
            throw translate(error, params, sandbox)
        }
    }

    private static func translate(
        _ failure: ExecutionFailure, _ params: SandboxExec.Params, _ sandbox: Sandbox
    ) -> any Error {
        func partial(_ output: [UInt8], _ errorOutput: [UInt8]) -> PartialOutput {
            PartialOutput(stdout: params.encoding.encode(output), stderr: params.encoding.encode(errorOutput))
        }
        switch failure {
        case .refused(let error): return error
        case .cancelled(let output, let errorOutput):
            return ProtocolError.requestCancelled(output: partial(output, errorOutput))
        case .sandboxGone(let output, let errorOutput):
            switch sandbox.status {
            case .error: return SandboxError.failed(id: sandbox.id, reason: "it ended under the command")
            case .destroyed: return ProtocolError.sandboxDestroyed(sandbox.id, output: partial(output, errorOutput))
            // A rollback: the sandbox lives on without the command.
            default: return ProtocolError.requestCancelled(output: partial(output, errorOutput))
            }
        }
    }
}

extension SandboxCommand {
    fileprivate init(_ params: SandboxExec.Params) {
        self.init(.init(params.command), directory: params.cwd, environment: params.env, user: params.user)
    }
}

extension CommandResult {
    /// What timeout(1) exits with, too.
    private static let timeoutCode = 124

    /// As the protocol has it: 124 after a timeout, 128 + n after signal n.
    var exitCode: Int { timedOut ? Self.timeoutCode : status.code }
}

extension SandboxExec.Result {
    fileprivate init(_ result: CommandResult, encoding: DataEncoding) {
        self.init(
            exitCode: result.exitCode, signal: result.status.signalName,
            stdout: encoding.encode(result.output), stderr: encoding.encode(result.errorOutput),
            duration: .milliseconds(result.durationMs), timedOut: result.timedOut, truncated: result.truncated,
            limits: result.limits.isEmpty
                ? nil : result.limits.map { ReachedLimit($0) }.sorted { $0.rawValue < $1.rawValue })
    }
}

/// Sends a command's output as `exec/output` while it is printed, as fast as the client takes it.
private final class ExecOutputSink: OutputSink {
    private let token: Token
    private let encoding: DataEncoding
    private let writer: MessageWriter
    private let encoders: Mutex<[CommandStream: DataStreamEncoder]>

    init(token: Token, encoding: DataEncoding, writer: MessageWriter) {
        self.token = token
        self.encoding = encoding
        self.writer = writer
        let encoder = DataStreamEncoder(encoding)
        encoders = Mutex([.standardOutput: encoder, .standardError: encoder])
    }

    func take(_ bytes: [UInt8], from stream: CommandStream, resume: @escaping @Sendable () -> Void) -> Bool {
        send(encoders.withLock { $0[stream]?.encode(bytes) }, from: stream)
        if !writer.isCongested { return true }
        writer.whenDrained(resume)
        return false
    }

    /// Sends what was held back of a character that never came to its end.
    func finish() {
        for stream in [CommandStream.standardOutput, .standardError] {
            send(encoders.withLock { $0[stream]?.finish() }, from: stream)
        }
    }

    private func send(_ text: String?, from stream: CommandStream) {
        guard let text, !text.isEmpty else { return }
        let name: OutputStream = stream == .standardOutput ? .stdout : .stderr
        writer.send(ExecOutput(token: token, stream: name, data: text, encoding: encoding).message)
    }
}
