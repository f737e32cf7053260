/// The last part of what a process printed: both streams, in the order in which they were read.
///
/// One cursor counts the bytes of both from the process's start.
struct OutputRing: Sendable, Equatable {
    /// Bytes that are kept.
    static let capacity = 1 << 20
    /// Bytes beyond the capacity at which old ones are dropped, so that the rest is not moved for every read.
    private static let slack = 256 * 1024
    /// The most changes from one stream to the other that are remembered; a process that changes with every byte would
    /// otherwise take many times its bytes.
    private static let runLimit = 1 << 15

    /// Bytes of one stream, without a break.
    struct Run: Sendable, Equatable {
        let stream: CommandStream
        /// The cursor behind its last byte.
        var end: Int
    }

    /// The cursor of the oldest byte that is kept.
    private(set) var start: Int
    private var storage: [UInt8] = []
    /// The cursor of the storage's first byte; at most `start`.
    private var storageStart: Int
    private(set) var runs: [Run] = []

    /// The cursor at which the next byte will be.
    var end: Int { storageStart + storage.count }

    /// Nothing, after `cursor` bytes that are not kept.
    init(startingAt cursor: Int = 0) {
        start = cursor
        storageStart = cursor
    }

    /// Again what `content` and `keptRuns` of another ring were. Nil when they do not fit each other.
    init?(end: Int, content: [UInt8], runs: [Run]) {
        start = end - content.count
        storageStart = start
        storage = content
        self.runs = runs
        var last = start
        for run in runs {
            if run.end <= last { return nil }
            last = run.end
        }
        if start < 0 || last != end { return nil }
    }

    /// What is kept.
    var content: ArraySlice<UInt8> { storage[(start - storageStart)...] }
    /// Whose it is.
    var keptRuns: ArraySlice<Run> { runs[firstRun(endingAfter: start)...] }

    static func == (one: OutputRing, other: OutputRing) -> Bool {
        one.end == other.end && one.content == other.content && one.keptRuns == other.keptRuns
    }

    /// Appends bytes, and drops old ones, but none that a client which is attached at `held` has not got yet.
    mutating func append(_ bytes: [UInt8], from stream: CommandStream, keepingFrom held: Int?) {
        if bytes.isEmpty { return }
        storage += bytes
        if runs.last?.stream == stream {
            runs[runs.count - 1].end = end
        } else {
            runs.append(Run(stream: stream, end: end))
        }
        let droppable = min(end - Self.capacity, held ?? end)
        start = max(start, droppable)
        if runs.count > Self.runLimit, held == nil { start = max(start, runs[runs.count - Self.runLimit / 2].end) }
        if start - storageStart >= Self.slack { compact() }
    }

    /// Drops everything that is kept; the cursor stays.
    mutating func clear() { self = OutputRing(startingAt: end) }

    private mutating func compact() {
        storage.removeFirst(start - storageStart)
        storageStart = start
        runs.removeFirst(firstRun(endingAfter: start))
    }

    /// Bytes of one stream from a cursor on.
    struct Piece {
        let stream: CommandStream
        let bytes: ArraySlice<UInt8>
        /// Whether the other stream goes on behind it.
        let isCut: Bool
    }

    /// At most `limit` bytes of one stream from `cursor`, which must not be older than `start`; nil at the end.
    func piece(at cursor: Int, upTo limit: Int) -> Piece? {
        if cursor >= end { return nil }
        let index = firstRun(endingAfter: cursor)
        let run = runs[index]
        let first = cursor - storageStart
        let count = min(limit, run.end - cursor)
        return Piece(
            stream: run.stream, bytes: storage[first..<(first + count)],
            isCut: cursor + count == run.end && index + 1 < runs.count)
    }

    /// By halving: the runs' ends only grow.
    private func firstRun(endingAfter cursor: Int) -> Int {
        var (low, high) = (0, runs.count)
        while low < high {
            let middle = (low + high) / 2
            if runs[middle].end > cursor { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
