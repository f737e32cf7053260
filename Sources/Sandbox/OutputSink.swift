/// Where a command's output goes while it is printed.
public protocol OutputSink: Sendable {
    /// Takes bytes that a command printed.
    ///
    /// - Returns: false when no more can be taken for now; `resume` is called when it can.
    func take(_ bytes: [UInt8], from stream: CommandStream, resume: @escaping @Sendable () -> Void) -> Bool
}

public enum CommandStream: String, Sendable {
    case standardOutput = "stdout"
    case standardError = "stderr"
}
