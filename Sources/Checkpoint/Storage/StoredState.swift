import Kernel

/// A state as it lies on the disk: what `StateFolder` encodes.
struct StoredState: Codable, Sendable {
    var tree: TreeImage
    var memory: StoredMemory
}

/// Where the pages of captured processes lie in files.
struct StoredMemory: Codable, Sendable {
    /// Names of the files, which several states may share. Never empty ones.
    var segments: [String] = []
    var processes: [StoredPages] = []

    var bytes: UInt64 { processes.reduce(0) { $0 + $1.bytes } }
}

/// The pages of one process; what `ProcessPages` is in memory.
struct StoredPages: Codable, Sendable {
    /// Inside the sandbox.
    var pid: Int32
    var runs: [StoredRun] = []
    /// Pages that the process it is forked from has and this one has not.
    var discarded: [PageRun] = []

    var bytes: UInt64 { runs.reduce(0) { $0 + $1.pages.length } }
}

/// Consecutive pages that lie one after another in a file.
struct StoredRun: Codable, Sendable, Equatable {
    var pages: PageRun
    /// Index into `StoredMemory.segments`.
    var segment: Int
    /// In bytes.
    var offset: UInt64
}
