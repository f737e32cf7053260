/// What fields may hold. The schema states the same; a test compares the two.
enum FieldLimit {
    /// Bytes of a path: Linux's PATH_MAX is 4096 with the zero byte at its end.
    static let path = 4095
    /// Bytes of one argument or `NAME=value`: Linux's MAX_ARG_STRLEN is 131072 with the zero byte at its end.
    static let argument = 131_071
    static let arguments = 100_000
    /// Bytes of the names that people give to sandboxes, snapshots and processes.
    static let name = 4096
    /// Bytes of an image's name, in the order of what registries accept.
    static let imageReference = 512
    /// Bytes of a host name: Linux's __NEW_UTS_LEN.
    static let hostname = 64
    static let user = 256

    static let vcpus = 1...1024
    static let memMiB = 16...1_048_576
    static let diskMiB = 16...16_777_216
    /// At least init and one command; at most what the kernel can number (PID_MAX_LIMIT).
    static let pids = 2...4_194_304
    static let execs = 1...16_384
    static let sandboxes = 1...65_536
    static let outputMiB = 1...1_048_576
    static let port = 1...65535
    static let networkRules = 0...256
    static let mounts = 0...256
    static let excludePatterns = 0...1000
    static let commitPaths = 1...10_000
    static let forkCount = 1...1000
    static let raceChildren = 1...100
    /// Bytes of each output stream of each child of a race; 100 children's fit a message.
    static let raceOutputBytes = 0...262_144
    /// A year. 0 disables.
    static let timeoutSec = 0...31_536_000
    /// Up to 24.8 days, the largest delay that a client's timer has (2³¹ - 1 ms).
    static let timeoutMs = 1...2_147_483_647
    /// Bytes of each output stream that an exec returns; as much as a message may have.
    static let outputBytes = 0...67_108_864
    /// Bytes of one `fs/read`; in base64 it still fits a message.
    static let readLength = 0...33_554_432
    static let fileOffset = 0...Int.max
    static let fileMode = 0...0o7777
    static let terminalCells = 1...65535
    static let processID = 1...Int(Int32.max)
}
