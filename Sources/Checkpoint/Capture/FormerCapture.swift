import Kernel

/// The capture before, for processes that were tracked since.
struct FormerCapture {
    private let state: RuntimeState
    private var tree: TreeImage { state.tree }
    private let pages: [Int32: ProcessPages]
    /// What each process has written since, by its number inside.
    private let written: [Int32: PageSet]

    /// - Returns: nil when its memory is not at hand.
    init?(_ state: RuntimeState, written: [Int32: PageSet]) {
        guard let pages = state.presentPages else { return nil }
        self.state = state
        self.pages = pages
        self.written = written
    }

    /// What a template of the process, which comes from no other one, has already; nil when a new one must be filled.
    func inheritance(of index: Int, in present: TreeImage, ownPages: PageSet) -> Inheritance? {
        let image = present.processes[index]
        guard present.origin(of: index) == nil, let written = written[image.pid], let pages = pages[image.pid],
            let place = place(of: image.pid), tree.origin(of: place) == nil
        else { return nil }
        return Inheritance(
            from: pages.template, mappedAs: tree.processes[place].memory, to: image.memory,
            neighbours: present.processes.map(\.memory), ownPages: ownPages, written: written)
    }

    /// Where a process may differ from the one that it is forked from; nil when that is unknown.
    func candidates(of index: Int, in present: TreeImage) -> PageSet? {
        let pid = present.processes[index].pid
        guard let origin = present.origin(of: index).map({ present.processes[$0].pid }), let place = place(of: pid),
            tree.origin(of: place).map({ tree.processes[$0].pid }) == origin, let pages = pages[pid],
            let own = written[pid], let others = written[origin]
        else { return nil }
        let untracked = present.processes[index].memory.areas.filter { $0.content == .deletedFile }.map(\.range)
        return PageSet(pages.template.runs).union(own).union(others).union(PageSet(untracked))
    }

    /// What of a state's memory lies on the disk already.
    ///
    /// - Parameter fresh: pages that this capture has not.
    func heritage(adding fresh: [Int32: PageSet]) -> Heritage? { state.heritage(adding: fresh) }

    private func place(of pid: Int32) -> Int? {
        tree.processes.firstIndex { $0.pid == pid && $0.zombieStatus == nil }
    }
}

/// What a template takes over from a former one of the same process.
struct Inheritance {
    let template: Template
    /// Mappings that stay.
    let kept: [Range<UInt64>]
    /// Areas of the new layout that stay in part at least, with another protection.
    let reprotected: [AreaImage]
    /// Whether the kernel describes the program as before.
    let isDescribedAlike: Bool
    /// Pages to be copied.
    let fresh: [PageRun]
    /// Pages that the former template has and the new one has not.
    let discarded: [PageRun]

    /// - Parameters:
    ///   - neighbours: layouts that must not be in the way of the template's call site.
    ///   - ownPages: those that the process has.
    ///   - written: those that may differ from the former template's.
    init?(
        from template: Template, mappedAs former: MemoryLayoutImage, to layout: MemoryLayoutImage,
        neighbours: [MemoryLayoutImage], ownPages: PageSet, written: PageSet
    ) {
        let reserved = AddressSpace.surroundings(of: template.site)
        if neighbours.contains(where: { $0.areas.contains { $0.range.overlaps(reserved) } }) { return nil }
        var kept: [Range<UInt64>] = []
        var reprotected: [AreaImage] = []
        for area in layout.areas where area.isPrivate {
            let stays = former.areas.filter { area.continues($0, in: layout, former) }
            kept += stays.map { $0.range.clamped(to: area.range) }
            if stays.contains(where: { $0.protection != area.protection }) { reprotected.append(area) }
        }
        let present = PageSet(kept)
        let inherited = PageSet(template.runs).intersection(present)
        isDescribedAlike = layout.isDescribed(as: former)
        self.template = template
        self.kept = present.runs.map(\.range)
        self.reprotected = reprotected
        fresh = ownPages.subtracting(inherited.subtracting(written)).runs
        discarded = inherited.subtracting(ownPages).runs
    }
}

extension AreaImage {
    var range: Range<UInt64> { start..<end }

    /// Whether a part of the other area, captured earlier, may have become part of this one: they overlap and show the same. Of deleted
    /// files nothing tells that: all their pages are taken, also those that nobody has written, whose changes nobody tracks. A file that
    /// was the sandbox's own, and lies in a layer beneath in a sandbox that was restored, is not in the template yet.
    fileprivate func continues(
        _ other: AreaImage, in layout: MemoryLayoutImage, _ otherLayout: MemoryLayoutImage
    ) -> Bool {
        guard other.isPrivate, range.overlaps(other.range) else { return false }
        switch (content, other.content) {
        case (.anonymous, .anonymous):
            return advice.ofMapping == other.advice.ofMapping
        case (.file(let index), .file(let otherIndex)):
            return layout.files[index] == otherLayout.files[otherIndex]
                && layout.ownFiles.contains(index) == otherLayout.ownFiles.contains(otherIndex)
                && offset &- start == other.offset &- other.start
        default: return false
        }
    }

    /// The part of an area within a range.
    func part(_ range: Range<UInt64>) -> AreaImage {
        var part = self
        (part.start, part.end) = (range.lowerBound, range.upperBound)
        part.offset = offset + (range.lowerBound - start)
        return part
    }
}
