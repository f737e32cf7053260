import Kernel

/// Turns the memory that a process has inherited from its origin into its own.
struct MemoryRestore {
    let process: RestoringProcess
    /// Holds what differs from the origin.
    let template: Template
    /// Pages that the origin has and the process has not.
    let discarded: [PageRun]
    let context: RestoreContext

    func perform(from origin: RestoringProcess) throws(KernelError) {
        let layout = process.image.memory
        let kept = layout.areasShared(with: origin.image.memory)
        let keptStarts = Set(kept.map(\.start))
        let fresh = layout.areas.filter { $0.isPrivate && !keptStarts.contains($0.start) }
        let space = AddressSpace(process: process.remote, thread: process.leader, layout: layout)
        try space.clear(keeping: kept.map(\.range))
        let files = try passFiles(of: fresh)
        try space.map(fresh, files: files)
        let filled =
            kept.filter { $0.holdsAny(of: template.runs) }
            + fresh.filter { $0.protection == 0 && $0.holdsAny(of: template.runs) }
        try space.open(filled)
        try space.discard(discarded)
        try space.advise(fresh.filter { !layout.showsOwnFile($0) }, dense: [])
        try template.fill(template.runs, of: process.remote.pid)
        try space.protect(fresh + filled)
        if !layout.isDescribed(as: origin.image.memory) { try space.describe() }
        try space.setSignalActions(process.image.signalActions)
        try process.call(.close_range, [process.channelNumber + 1, UInt64(UInt32.max), 0])
    }

    /// Those that areas map.
    private func passFiles(of areas: [AreaImage]) throws(KernelError) -> [Int: Int32] {
        let layout = process.image.memory
        let needed = Set(areas.compactMap { area in if case .file(let index) = area.content { index } else { nil } })
        var numbers: [Int: Int32] = [:]
        for index in needed where !layout.ownFiles.contains(index) {
            let file = try context.root.open(try FilePath(validating: layout.files[index]), .read, resolving: .inRoot)
            numbers[index] = Int32(try process.take([file.rawValue])[0])
        }
        return numbers
    }
}
