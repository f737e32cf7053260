import CKernel
import Glibc
import Synchronization

/// A program of the host and what it is started with.
public struct HostProgram: Sendable {
    public let path: String
    /// Without the program's own name.
    public let arguments: [String]
    /// All that it gets: nothing of the engine's own environment is passed on.
    public let environment: [String: String]

    /// - Parameter path: absolute.
    public init(_ path: String, _ arguments: [String], environment: [String: String] = [:]) {
        self.path = path
        self.arguments = arguments
        self.environment = environment
    }

    /// The first executable file of a name in the engine's PATH.
    public static func path(of name: String) -> String? { ProgramSearch.path(of: name) }
}

/// A program of the host that runs beside the engine. It is killed and reaped with its owner, if not before, and by the
/// kernel when the engine ends, however that ends: it is a process of the engine's pid namespace.
///
/// It starts in the calling thread's namespaces, in a session of its own, with signals as they are by default.
public final class Subprocess: Sendable {
    /// What becomes its standard streams, for as long as the initializer runs; nil: /dev/null.
    public struct Streams {
        public var input: Int32?
        public var output: Int32?
        public var errorOutput: Int32?

        public init(input: Int32? = nil, output: Int32? = nil, errorOutput: Int32? = nil) {
            self.input = input
            self.output = output
            self.errorOutput = errorOutput
        }
    }

    private let process: PidFD
    private let status = Mutex<ExitStatus?>(nil)

    /// The process's number in the engine's pid namespace.
    public var pid: Int32 { process.pid }

    /// For registration with an event loop: readable once the process has ended.
    public var rawDescriptor: Int32 { process.rawDescriptor }

    /// Starts it; blocks for about a millisecond, until it executes.
    ///
    /// - Throws: also when there is no such program or it cannot be executed.
    public init(_ program: HostProgram, _ streams: Streams = Streams()) throws(KernelError) {
        let null = try OwnedFD.open("/dev/null", .readWrite)
        let descriptors = [streams.input, streams.output, streams.errorOutput].map { $0 ?? null.rawValue }
        let arguments = Self.strings([program.path] + program.arguments)
        let environment = Self.strings(program.environment.map { "\($0.key)=\($0.value)" })
        let pid = try OrphanReaper.makingAwaitedChild { () throws(KernelError) in
            try check("posix_spawn", program.path) {
                // unsafe: the shim reads the arrays within the call.
                unsafe ck_spawn(
                    program.path, arguments, Int32(program.arguments.count + 1), environment,
                    Int32(program.environment.count), descriptors)
            }
        }
        do throws(KernelError) {
            process = try PidFD(opening: pid)
        } catch {
            // No descriptor is free. Nobody waits for the child any more, so the reaper takes it.
            _ = kill(pid, SIGKILL)
            OrphanReaper.hasReaped(pid)
            throw error
        }
    }

    deinit { end() }

    /// Sends a signal. A process that has ended already is no error.
    public func signal(_ number: Int32) throws(KernelError) {
        try status.withLock { status throws(KernelError) in
            if status == nil { try process.signal(number) }
        }
    }

    /// Waits for its end.
    ///
    /// - Parameter milliseconds: how long; negative: until it ends.
    /// - Returns: nil when it has not ended by then.
    public func wait(milliseconds: Int32 = -1) throws(KernelError) -> ExitStatus? {
        var polled = [pollfd(fd: process.rawDescriptor, events: Int16(POLLIN), revents: 0)]
        // unsafe: poll fills the one element.
        let ready = try check("poll") { unsafe poll(&polled, 1, milliseconds) }
        return ready == 0 ? nil : try reap()
    }

    /// Kills it and waits until it is gone. Again is harmless.
    public func end() {
        do throws(KernelError) {
            try signal(SIGKILL)
            _ = try reap()
        } catch {
            // Only a process that is not this one's child can fail here, and this one is.
            preconditionFailure("\(error)")
        }
    }

    /// Takes the status of a process that has ended or is about to.
    private func reap() throws(KernelError) -> ExitStatus {
        try status.withLock { status throws(KernelError) in
            if let status { return status }
            let taken = try process.reap()
            status = taken
            OrphanReaper.hasReaped(pid)
            return taken
        }
    }

    /// Strings one after the other, each ended by 0.
    private static func strings(_ strings: [String]) -> [CChar] {
        strings.flatMap { $0.utf8.map(CChar.init(bitPattern:)) + [0] }
    }
}
