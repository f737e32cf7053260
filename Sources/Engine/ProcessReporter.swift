import JSONRPC
import Protocol
import Sandbox

/// Tells the client what long-lived processes print, and of their ends, as fast as it takes it.
struct ProcessReporter: ProcessObserver {
    let writer: MessageWriter

    func take(
        _ output: OutputPiece, of process: ProcessAddress, resume: @escaping @Sendable () -> Void
    ) -> (count: Int, goesOn: Bool) {
        let text = OutputText(output.bytes, isCut: output.isCut)
        if text.count > 0 {
            writer.send(
                ProcessOutput(
                    sandboxID: process.sandbox, processID: process.process, stream: .init(output.stream),
                    data: text.data, encoding: text.encoding, cursor: output.cursor + text.count
                ).message)
        }
        if !writer.isCongested { return (text.count, true) }
        writer.whenDrained(resume)
        return (text.count, false)
    }

    func outputEnded(_ stream: CommandStream, of process: ProcessAddress, _ reason: OutputEnd) {
        writer.send(
            ProcessOutputEnded(
                sandboxID: process.sandbox, processID: process.process, stream: .init(stream), reason: .init(reason)
            ).message)
    }

    func exited(_ process: ProcessAddress, _ exit: ProcessExit) {
        writer.send(
            ProcessExited(
                sandboxID: process.sandbox, processID: process.process, exitCode: exit.status?.code,
                signal: exit.status?.signalName
            ).message)
    }
}

/// Bytes of output as one string: as text where they are, else in base64.
struct OutputText {
    let data: String
    let encoding: DataEncoding
    /// How many of the bytes it holds: a character that they end within is left for the next time.
    let count: Int

    /// - Parameter isCut: what comes later does not continue these bytes.
    init(_ bytes: ArraySlice<UInt8>, isCut: Bool) {
        let tail = isCut ? 0 : UTF8StreamDecoder.unfinishedTail(of: bytes)
        count = bytes.count - tail
        if let text = String(validating: bytes.dropLast(tail), as: UTF8.self) {
            (data, encoding) = (text, .utf8)
        } else {
            (data, encoding) = (DataEncoding.base64.encode(Array(bytes.dropLast(tail))), .base64)
        }
    }
}

extension OutputStream {
    init(_ stream: CommandStream) {
        self = stream == .standardOutput ? .stdout : .stderr
    }
}

extension ProcessOutputEnded.Reason {
    init(_ reason: OutputEnd) {
        self =
            switch reason {
            case .eof: .eof
            case .interrupted: .interrupted
            }
    }
}
