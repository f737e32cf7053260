import CKernel
import Glibc

/// SIGTERM, SIGINT, SIGHUP and SIGCHLD as something to read, instead of handlers that interrupt.
public struct SignalDescriptor: ~Copyable, Sendable {
    private let descriptor: OwnedFD

    /// Blocks the signals for the calling thread and those that it starts: call it before there are any others.
    public init() throws(KernelError) {
        descriptor = OwnedFD(takingOver: try check("signalfd") { ck_block_signals_and_open_signalfd() })
    }

    /// For registration with an event loop.
    public var rawDescriptor: Int32 { descriptor.rawValue }

    /// The next pending signal; nil when there is none.
    public func next() -> Int32? {
        let signal = ck_signalfd_read(descriptor.rawValue)
        return signal < 0 ? nil : signal
    }
}

/// Lines for people.
public enum StandardError {
    /// Writes what is taken; a standard error that is closed or full is nobody's loss but the line's.
    public static func write(_ bytes: [UInt8]) {
        // unsafe: write reads the array.
        unsafe _ = Glibc.write(2, bytes, bytes.count)
    }
}

/// Standard input and output, kept for the protocol.
public enum StandardStreams {
    /// Takes the protocol's descriptors away from 0 and 1, so that no stray print can reach the client.
    ///
    /// Descriptor 0 becomes /dev/null, 1 becomes what 2 is.
    public static func claim() throws(KernelError) -> (input: Int32, output: Int32) {
        let input = try check("fcntl(F_DUPFD_CLOEXEC)") { fcntl(0, F_DUPFD_CLOEXEC, 3) }
        let output = try check("fcntl(F_DUPFD_CLOEXEC)") { fcntl(1, F_DUPFD_CLOEXEC, 3) }
        let null = try OwnedFD.open("/dev/null", .readWrite)
        try check("dup2") { dup2(null.rawValue, 0) }
        try check("dup2") { dup2(2, 1) }
        return (input, output)
    }
}

/// The machine, as uname(2) tells.
public struct HostSystem: Sendable {
    /// As `6.18.1`.
    public let release: String
    /// As `x86_64`.
    public let machine: String

    public static func current() -> HostSystem {
        var names = utsname()
        // uname fails only for a bad address.
        unsafe _ = uname(&names)
        return unsafe HostSystem(
            release: withUnsafeBytes(of: &names.release) {
                unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            },
            machine: withUnsafeBytes(of: &names.machine) {
                unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            })
    }
}
