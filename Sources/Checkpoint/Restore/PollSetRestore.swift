import Kernel

/// Puts into epoll sets what they watch, from inside a process: a set knows a file by the number under which it was entered.
struct PollSetRestore {
    private static let add: UInt64 = 1  // EPOLL_CTL_ADD

    private let process: RestoringProcess
    private let context: RestoreContext
    /// The sets that this process fills, by the descriptors that lead to them.
    private let sets: [(descriptor: DescriptorImage, entries: [PollSetImage.Entry])]
    private let table: [Int32: Int]

    init(_ process: RestoringProcess, _ context: RestoreContext) {
        self.process = process
        self.context = context
        var sets: [(DescriptorImage, [PollSetImage.Entry])] = []
        var seen: Set<Int> = []
        for descriptor in process.image.descriptors where seen.insert(descriptor.description).inserted {
            guard case .pollSet(let set) = context.tree.descriptions[descriptor.description].kind,
                context.fillsPollSet(descriptor.description, process)
            else { continue }
            sets.append((descriptor, set.entries))
        }
        self.sets = sets
        table = Dictionary(
            uniqueKeysWithValues: sets.isEmpty ? [] : process.image.descriptors.map { ($0.number, $0.description) })
    }

    /// Numbers that files have while they are entered.
    var numbers: [Int32] { sets.flatMap { $0.entries.map(\.descriptor) } }

    /// Enters what the process itself has not under the number that the set knows: it was closed, or belongs to another process. For
    /// a moment it is given that number, which must be before the process's own descriptors come.
    func watchClosedNumbers(after calls: inout CallBatch) throws(KernelError) {
        for (descriptor, entries) in sets {
            let entries = entries.filter { !hasNumber(of: $0) }
            if entries.isEmpty { continue }
            // Above the channel, where no number is that is watched.
            let set = process.channelNumber + 1
            try give(descriptor.description, number: set, &calls)
            for entry in entries {
                let number = UInt64(entry.descriptor)
                try give(entry.target, number: number, &calls)
                try enter(entry, into: set, &calls)
                try calls.add(.close, [number])
            }
            try calls.add(.close, [set])
        }
    }

    /// Enters the rest: by now every descriptor has its number.
    func watchNumbers() throws(KernelError) {
        var calls = process.calls
        for (descriptor, entries) in sets {
            for entry in entries where hasNumber(of: entry) {
                try enter(entry, into: UInt64(descriptor.number), &calls)
            }
        }
        try calls.finish()
    }

    private func hasNumber(of entry: PollSetImage.Entry) -> Bool { table[entry.descriptor] == entry.target }

    private func enter(
        _ entry: PollSetImage.Entry, into set: UInt64, _ calls: inout CallBatch
    ) throws(KernelError) {
        let event = try calls.place(PollSets.eventBytes(entry))
        try calls.add(.epoll_ctl, [set, Self.add, UInt64(entry.descriptor), event])
    }

    private func give(_ description: Int, number: UInt64, _ calls: inout CallBatch) throws(KernelError) {
        let received = try process.take([context.descriptor(of: description)], after: &calls)[0]
        if received == number { return }
        try calls.add(.dup3, [received, number, 0])
        try calls.add(.close, [received])
    }
}
