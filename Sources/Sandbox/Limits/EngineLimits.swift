import Synchronization

/// Limits of all sandboxes of an engine together. Nil: none.
public struct EngineLimits: Sendable {
    public var vcpus: Int?
    public var memMiB: Int?
    public var pidsMax: Int?
    public var sandboxesMax: Int?
    public var execsMax: Int?
    /// Output of commands that the engine holds until their results are sent.
    public var outputMiB: Int

    public init(
        vcpus: Int? = nil, memMiB: Int? = nil, pidsMax: Int? = nil, sandboxesMax: Int? = nil, execsMax: Int? = nil,
        outputMiB: Int = 1024
    ) {
        self.vcpus = vcpus
        self.memMiB = memMiB
        self.pidsMax = pidsMax
        self.sandboxesMax = sandboxesMax
        self.execsMax = execsMax
        self.outputMiB = outputMiB
    }
}

/// A number of places, each taken by one user at a time.
final class Slots: Sendable {
    private let limit: Int
    private let taken = Atomic(0)

    /// - Parameter limit: nil for as many as are wanted.
    init(limit: Int?) { self.limit = limit ?? .max }

    /// Whether there was a place.
    func take() -> Bool {
        if taken.add(1, ordering: .relaxed).newValue <= limit { return true }
        giveBack()
        return false
    }

    func giveBack() { taken.subtract(1, ordering: .relaxed) }
}

/// Bytes of output that all commands together may have waiting in memory.
final class OutputBudget: Sendable {
    private let left: Atomic<Int>

    init(bytes: Int) { left = Atomic(bytes) }

    /// - Returns: how many of the bytes may be kept.
    func take(_ count: Int) -> Int {
        var present = left.load(ordering: .relaxed)
        while true {
            let granted = max(0, min(count, present))
            let (exchanged, original) = left.weakCompareExchange(
                expected: present, desired: present - granted, ordering: .relaxed)
            if exchanged { return granted }
            present = original
        }
    }

    func giveBack(_ count: Int) { left.add(count, ordering: .relaxed) }
}
