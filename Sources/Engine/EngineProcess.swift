import Dispatch
import Glibc
import JSONRPC
import Kernel
import Synchronization

/// The engine as a process: its descriptors, its signals, and its end.
public final class EngineProcess: Sendable {
    /// How long a client that does not read may hold back the end.
    private static let flushPatience = Duration.seconds(2)
    /// How long requests that do not heed their cancellation, as the copy of a large file, may hold it back.
    private static let requestPatience = DispatchTimeInterval.seconds(5)

    private let session: Session
    private let signals: SignalDescriptor
    private let input: OwnedFD
    private let hasEnded = Mutex(false)
    private let ending = DispatchQueue(label: "ending")

    /// - Parameters:
    ///   - output: the protocol's way out, to which nothing else writes.
    ///   - defaultStore: the store's path unless `initialize` names another one.
    public init(
        launch: Launch, input: consuming OwnedFD, output: consuming OwnedFD, signals: consuming SignalDescriptor,
        defaultStore: String
    ) throws {
        let output = SharedDescriptor(output)
        let writer = try MessageWriter(
            write: { try output.writeAll($0) },
            onBroken: { error in Log.write("the client does not take answers any more: \(error)") })
        let loop = try EventLoop(name: "events")
        let exit = Promise()
        session = Session(
            writer: writer, launch: launch, loop: loop, defaultStore: defaultStore, onExit: { exit.call() })
        self.signals = signals
        self.input = input
        exit.set { [self] in end(code: session.isShutDown ? 0 : 1) }
        _ = try loop.add(self.signals.rawDescriptor, .readable) { [self] _ in handleSignals() }
    }

    /// Serves the client until it is done. Never returns.
    public func run() -> Never {
        if let problem = Connection.serve(input, session) {
            Log.write(problem)
            end(code: 1)
        } else {
            end(code: session.isShutDown ? 0 : 1)
        }
        while true { pause() }
    }

    private func handleSignals() {
        while let signal = signals.next() {
            if signal == SIGCHLD {
                OrphanReaper.reapAll()
            } else {
                end(code: session.isShutDown ? 0 : 1)
            }
        }
    }

    /// Cancels, destroys, flushes, ends the process; on whatever comes first of `exit`, the end of input, or a signal.
    private func end(code: Int32) {
        let isFirst = hasEnded.withLock { hasEnded in
            defer { hasEnded = true }
            return !hasEnded
        }
        if !isFirst { return }
        ending.async { [session] in
            let stopped = DispatchSemaphore(value: 0)
            Task {
                await session.stopRequests(isShutdown: true)
                stopped.signal()
            }
            // What goes on after that ends with the process.
            _ = stopped.wait(timeout: .now() + Self.requestPatience)
            session.destroySandboxes()
            session.writer.finish(within: Self.flushPatience)
            exit(code)
        }
    }

    /// A callback that is known later than what calls it.
    private final class Promise: Sendable {
        private let body = Mutex<(@Sendable () -> Void)?>(nil)
        func set(_ body: @escaping @Sendable () -> Void) { self.body.withLock { $0 = body } }
        func call() { body.withLock { $0 }?() }
    }
}

/// A descriptor that a closure keeps.
private final class SharedDescriptor: Sendable {
    private let descriptor: OwnedFD
    init(_ descriptor: consuming OwnedFD) { self.descriptor = descriptor }
    func writeAll(_ bytes: [UInt8]) throws(KernelError) { try descriptor.writeAll(bytes) }
}
