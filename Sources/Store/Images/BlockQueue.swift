import Dispatch
import Glibc
import Synchronization

/// Memory for some decompressed bytes.
///
/// One thread at a time uses a block: whoever took it from the queue. That makes it safe to send, and the pointer that it
/// stores is its own and freed once.
@safe final class Block: @unchecked Sendable {
    /// In bytes: large enough that threads seldom wait for each other, small enough to stay in the processor's cache.
    static let size = 256 * 1024

    private let memory: UnsafeMutableRawBufferPointer
    private var count = 0

    init() {
        // unsafe: owned by this value and freed by its deinit.
        unsafe memory = .allocate(byteCount: Self.size, alignment: 16)
    }

    deinit { unsafe memory.deallocate() }

    /// The bytes in it, valid as long as the block is the caller's.
    var bytes: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(rebasing: memory[..<count]) }
    var isEmpty: Bool { count == 0 }
    var isFull: Bool { count == Self.size }

    func clear() { count = 0 }

    /// Copies bytes to the end, as many as there is room for.
    /// - Returns: how many.
    func append(_ bytes: UnsafeRawBufferPointer) -> Int {
        let taken = min(bytes.count, Self.size - count)
        if taken > 0, let start = bytes.baseAddress {
            // unsafe: both ranges lie within their buffers, which are different ones.
            unsafe memcpy(memory.baseAddress! + count, start, taken)
        }
        count += taken
        return taken
    }
}

/// Hands blocks from the thread that decompresses to the one that unpacks; a few at a time, so that neither runs ahead.
final class BlockQueue: Sendable {
    private struct State {
        var filled: [Block] = []
        var free: [Block]
        var end: Result<BlobFacts, StoreError>?
        var isAbandoned = false
    }

    /// Blocks on their way, at most.
    private static let capacity = 8

    private let state: Mutex<State>
    private let filledCount = DispatchSemaphore(value: 0)
    private let freeCount = DispatchSemaphore(value: 0)
    private let hasEnded = DispatchSemaphore(value: 0)

    init() {
        state = Mutex(State(free: (0..<Self.capacity).map { _ in Block() }))
        for _ in 0..<Self.capacity { freeCount.signal() }
    }

    // MARK: The thread that fills

    /// An empty block; nil when nobody wants any more.
    func takeFree() -> Block? {
        freeCount.wait()
        let block = state.withLock { $0.isAbandoned ? nil : $0.free.popLast() }
        block?.clear()
        return block
    }

    func put(_ block: Block) {
        state.withLock { $0.filled.append(block) }
        filledCount.signal()
    }

    /// Says that there are no more, and how that came. The last call of this side.
    func end(_ result: Result<BlobFacts, StoreError>) {
        state.withLock { $0.end = result }
        filledCount.signal()
        hasEnded.signal()
    }

    // MARK: The thread that empties

    /// The next block; nil after the last one, again and again.
    func take() -> Block? {
        filledCount.wait()
        let block = state.withLock { state in state.filled.isEmpty ? nil : state.filled.removeFirst() }
        if block == nil { filledCount.signal() }
        return block
    }

    func giveBack(_ block: Block) {
        state.withLock { $0.free.append(block) }
        freeCount.signal()
    }

    /// How the other side ended; nil as long as it has not.
    var result: Result<BlobFacts, StoreError>? { state.withLock { $0.end } }

    /// Stops the other side and waits until it has ended. The last call of this side.
    func abandon() {
        state.withLock { $0.isAbandoned = true }
        freeCount.signal()
        hasEnded.wait()
    }
}
