/// The last so many strings that were put into it.
struct BoundedSet {
    private let capacity: Int
    private var members: Set<String> = []
    /// Oldest first from `oldest` on; the slots before it are free.
    private var order: [String] = []
    private var oldest = 0

    init(capacity: Int) { self.capacity = capacity }

    func contains(_ member: String) -> Bool { members.contains(member) }

    mutating func insert(_ member: String) {
        if !members.insert(member).inserted { return }
        if order.count < capacity {
            order.append(member)
        } else {
            members.remove(order[oldest])
            order[oldest] = member
            oldest = (oldest + 1) % capacity
        }
    }
}
