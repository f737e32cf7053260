import Glibc

extension Subprocess {
    /// What bounds a run.
    public struct RunLimits: Sendable {
        /// After this time the program is killed.
        public var time: Duration
        /// More than this many bytes of output, and of error output, are thrown away.
        public var outputBytes: Int

        public init(time: Duration, outputBytes: Int = 1 << 20) {
            self.time = time
            self.outputBytes = outputBytes
        }
    }

    public enum Ending: Equatable, Sendable {
        case ended(ExitStatus)
        case timedOut
        case cancelled
    }

    public struct RunOutcome: Sendable {
        public let ending: Ending
        public let output: [UInt8]
        public let errorOutput: [UInt8]

        /// Whether it ended by itself with exit code 0.
        public var isSuccess: Bool { ending == .ended(.exited(code: 0)) }

        /// The last line of the error output that says anything, for a message to a person.
        public var complaint: String {
            let lines = String(decoding: errorOutput, as: UTF8.self).split(whereSeparator: \.isNewline)
            return lines.last.map(String.init) ?? "it ended without a word"
        }
    }

    /// How often a run asks whether it was cancelled.
    private static let cancellationInterval: Int32 = 100

    /// Runs a program to its end: blocks the calling thread. The process must ignore SIGPIPE.
    ///
    /// - Parameters:
    ///   - input: what it reads on its standard input.
    ///   - isCancelled: asked ten times a second; the program is killed when it says so.
    /// - Throws: when the program cannot be started.
    public static func run(
        _ program: HostProgram, input: [UInt8] = [], limits: RunLimits, isCancelled: () -> Bool = { false }
    ) throws(KernelError) -> RunOutcome {
        var inputPipe = try Pipe()
        var outputPipe = try Pipe()
        var errorPipe = try Pipe()
        let process = try Subprocess(
            program,
            Streams(
                input: inputPipe.readDescriptor, output: outputPipe.writeDescriptor,
                errorOutput: errorPipe.writeDescriptor))
        // The child's ends: the other ones come to their end only when it alone has them.
        _ = inputPipe.takeReadEnd()
        _ = outputPipe.takeWriteEnd()
        _ = errorPipe.takeWriteEnd()
        var feed = try Feed(inputPipe.takeWriteEnd(), input)
        var output = try Collection(outputPipe.takeReadEnd(), limit: limits.outputBytes)
        var errorOutput = try Collection(errorPipe.takeReadEnd(), limit: limits.outputBytes)

        let deadline = ContinuousClock.now + limits.time
        var ending: Ending?
        while ending == nil {
            var polled = [
                pollfd(fd: process.rawDescriptor, events: Int16(POLLIN), revents: 0),
                pollfd(fd: feed.descriptor, events: Int16(POLLOUT), revents: 0),
                pollfd(fd: output.descriptor, events: Int16(POLLIN), revents: 0),
                pollfd(fd: errorOutput.descriptor, events: Int16(POLLIN), revents: 0),
            ]
            // unsafe: poll fills the four elements.
            try check("poll") { unsafe poll(&polled, 4, cancellationInterval) }
            let hasEnded = polled[0].revents != 0
            if polled[1].revents != 0 { feed.write() }
            try output.collect()
            try errorOutput.collect()
            if hasEnded {
                guard let status = try process.wait() else { preconditionFailure("a wait without a limit has an end") }
                ending = .ended(status)
            } else if isCancelled() {
                ending = .cancelled
            } else if ContinuousClock.now >= deadline {
                ending = .timedOut
            }
        }
        process.end()
        return RunOutcome(ending: ending ?? .timedOut, output: output.bytes, errorOutput: errorOutput.bytes)
    }

    /// The standard input of a running program.
    private struct Feed: ~Copyable {
        private var pipe: OwnedFD? = nil
        private var rest: ArraySlice<UInt8>

        init(_ pipe: consuming OwnedFD, _ bytes: [UInt8]) throws(KernelError) {
            try pipe.setNonblocking()
            rest = bytes[...]
            if !bytes.isEmpty { self.pipe = consume pipe }
        }

        /// -1, which poll passes over, when everything is written.
        var descriptor: Int32 {
            switch pipe {
            case .some(let pipe): pipe.rawValue
            case .none: -1
            }
        }

        mutating func write() {
            guard let pipe = pipe.take() else { return }
            // A program that reads no more of its input has no use for the rest.
            guard let count = try? pipe.writeOnce(rest) else { return }
            rest = rest.dropFirst(count)
            if !rest.isEmpty { self.pipe = consume pipe }
        }
    }

    /// What a running program prints.
    private struct Collection: ~Copyable {
        private var pipe: OwnedFD?
        private let limit: Int
        private(set) var bytes: [UInt8] = []

        init(_ pipe: consuming OwnedFD, limit: Int) throws(KernelError) {
            try pipe.setNonblocking()
            self.pipe = consume pipe
            self.limit = limit
        }

        var descriptor: Int32 {
            switch pipe {
            case .some(let pipe): pipe.rawValue
            case .none: -1
            }
        }

        /// Reads once: as much as a pipe holds, so what a program has left behind when it ended is there at once.
        mutating func collect() throws(KernelError) {
            guard let pipe = pipe.take() else { return }
            switch try pipe.readOnce(upTo: 64 * 1024) {
            case .bytes(let some): bytes += some.prefix(limit - bytes.count)
            case .wouldBlock: break
            case .end: return
            }
            self.pipe = consume pipe
        }
    }
}
