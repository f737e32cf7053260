/// Pages by their addresses, as runs in order that neither overlap nor touch.
struct PageSet {
    private(set) var runs: [PageRun] = []

    /// In bytes.
    var size: UInt64 { runs.reduce(0) { $0 + $1.length } }

    init() {}

    init(_ runs: some Sequence<PageRun>) {
        for run in runs.sorted(by: { $0.address < $1.address }) { append(run.range) }
    }

    init(_ ranges: some Sequence<Range<UInt64>>) {
        self.init(ranges.lazy.map { PageRun(address: $0.lowerBound, length: $0.upperBound - $0.lowerBound) })
    }

    /// - Parameter range: beginning no earlier than any that is in the set.
    private mutating func append(_ range: Range<UInt64>) {
        if range.isEmpty { return }
        if let last = runs.last, last.range.upperBound >= range.lowerBound {
            runs[runs.count - 1].length = max(last.range.upperBound, range.upperBound) - last.address
        } else {
            runs.append(PageRun(address: range.lowerBound, length: range.upperBound - range.lowerBound))
        }
    }

    /// The parts of the set within a range.
    func parts(within range: Range<UInt64>) -> [PageRun] {
        // The first run that ends behind the beginning of the range.
        var (low, high) = (0, runs.count)
        while low < high {
            let middle = (low + high) / 2
            if runs[middle].range.upperBound <= range.lowerBound { low = middle + 1 } else { high = middle }
        }
        return runs[low...].prefix { $0.address < range.upperBound }.map { run in
            let part = run.range.clamped(to: range)
            return PageRun(address: part.lowerBound, length: part.upperBound - part.lowerBound)
        }
    }

    func union(_ other: PageSet) -> PageSet { PageSet(runs + other.runs) }

    /// What is in both.
    func intersection(_ other: PageSet) -> PageSet { parted(by: other).inside }

    /// What is in this set and not in the other one.
    func subtracting(_ other: PageSet) -> PageSet { parted(by: other).outside }

    private func parted(by other: PageSet) -> (inside: PageSet, outside: PageSet) {
        var (inside, outside) = (PageSet(), PageSet())
        var next = 0
        for range in runs.lazy.map(\.range) {
            var position = range.lowerBound
            while next < other.runs.count, other.runs[next].range.upperBound <= position { next += 1 }
            var index = next
            while index < other.runs.count, other.runs[index].address < range.upperBound {
                let cut = other.runs[index].range.clamped(to: position..<range.upperBound)
                outside.append(position..<cut.lowerBound)
                inside.append(cut)
                position = cut.upperBound
                index += 1
            }
            outside.append(position..<range.upperBound)
        }
        return (inside, outside)
    }
}
