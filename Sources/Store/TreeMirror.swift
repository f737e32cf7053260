import Kernel

/// Brings a copy of a tree up to date. What is known to be unchanged since it was copied stays; all else is copied anew, and what is gone
/// is removed. The first time everything is copied.
///
/// Works on open directories only, as `TreeCopier` does.
struct TreeMirror: ~Copyable {
    /// What became of a round.
    struct Outcome {
        /// In the copy.
        var copied = TreeCopySummary()
        /// Left for the next time; of regular files that have holes, only what they take on the disk.
        var left = TreeCopySummary()
        /// Whether the walk came through: a folder may be moved away from under it.
        var isWhole = true
    }

    /// A folder that the walk is in.
    private struct Frame {
        let copied: CopiedFolder
        /// As the walk found it.
        let status: FileStatus
        /// What its copy still lacks.
        let metadata: FileMetadata?
        /// Whether anything was made or removed in its copy.
        var isTouched = false
        /// How many of its entries the copy has.
        var count = 0
    }

    private var entries: EntryCopier
    private let isInUse: Bool
    private let moment: QuietMoment?
    private var former: FormerTree?
    private var frames: [Frame] = []
    private var left = TreeCopySummary()

    /// - Parameters:
    ///   - copy: what `target` has of `source`; changed along with it.
    ///   - isInUse: whether somebody may be at work in the source. Then what may have changed since the moment is left out, to be copied
    ///     when nobody is.
    ///   - moment: what was not changed since then is up to date once it is copied; nil: nothing is.
    ///   - former: an earlier copy, of which files can be taken over while the source is in use.
    static func update(
        _ copy: CopiedFolder, at target: borrowing OwnedFD, from source: borrowing OwnedFD, isInUse: Bool,
        since moment: QuietMoment?, former: consuming FormerTree?
    ) throws(StoreError) -> Outcome {
        var mirror = TreeMirror(
            entries: try EntryCopier(into: target, TreeCopyOptions()), isInUse: isInUse, moment: moment, former: former)
        var isWhole = true
        do throws(StoreError) {
            try onDisk { () throws(KernelError) in mirror.frames.append(try mirror.frame(of: copy, source)) }
            try TreeWalk.run(source, &mirror)
            try onDisk { () throws(KernelError) in
                if mirror.hasMore { try mirror.removeGone(from: source) }
                try mirror.finish()
            }
        } catch {
            guard isInUse, error.isDisturbance else { throw error }
            isWhole = false
        }
        return Outcome(copied: mirror.entries.summary, left: mirror.left, isWhole: isWhole)
    }

    private init(entries: consuming EntryCopier, isInUse: Bool, moment: QuietMoment?, former: consuming FormerTree?) {
        self.entries = entries
        self.isInUse = isInUse
        self.moment = moment
        self.former = former
    }

    // MARK: Entries

    private func isUpToDate(_ entry: CopiedEntry, _ status: FileStatus) -> Bool {
        entry.isOf(status) && (status.isWhiteout || vouches(for: status))
    }

    private func vouches(for status: FileStatus) -> Bool { moment?.vouches(for: status) ?? false }

    private var copied: CopiedFolder { frames[frames.count - 1].copied }

    /// Notes a change of the current folder's copy, which is a change of its times too.
    private mutating func touch() {
        frames[frames.count - 1].isTouched = true
        copied.own = nil
    }

    private mutating func record(_ name: FilePath, _ entry: CopiedEntry) {
        touch()
        copied.files[name] = entry
        frames[frames.count - 1].count += 1
    }

    /// Removes an entry of the copy, if there is one.
    private mutating func remove(_ name: FilePath) throws(KernelError) {
        let isFile = copied.files.removeValue(forKey: name) != nil
        guard isFile || copied.folders.removeValue(forKey: name) != nil else { return }
        touch()
        if isFile {
            try entries.target.current.removeFile(name)
        } else {
            try TreeRemover.remove(name, in: entries.target.current)
        }
    }

    private mutating func visitFolder(_ name: FilePath) throws(KernelError) {
        if copied.folders[name] == nil {
            try remove(name)
            try entries.target.current.makeDirectory(name, permissions: 0o700)
            touch()
            copied.folders[name] = CopiedFolder()
        }
        frames[frames.count - 1].count += 1
    }

    private mutating func keep(
        _ entry: CopiedEntry, _ name: FilePath, _ status: FileStatus
    ) throws(KernelError) -> Bool {
        guard entries.keep(name, status) else { return false }
        frames[frames.count - 1].count += 1
        // Of a file with several names any may be shared with another layer.
        if entry.accessed != status.accessed, !entry.isShared, status.linkCount == 1 {
            try entries.target.current.setTimes(of: name, accessed: status.accessed, modified: status.modified)
            copied.files[name]?.accessed = status.accessed
        }
        return true
    }

    /// Copies a file of a tree that is in use, if it will do.
    private mutating func copyAhead(
        _ name: FilePath, _ status: FileStatus, in folder: borrowing OwnedFD
    ) throws(StoreError) {
        if try onDisk({ () throws(KernelError) in try linkFormer(name, status) }) { return }
        guard vouches(for: status) else {
            left.files += 1
            if status.kind == .regular { left.bytes += min(status.size, status.allocatedSize) }
            return
        }
        do throws(StoreError) {
            record(name, CopiedEntry(try entries.copy(name, status.kind, in: folder, as: name)))
        } catch {
            guard error.isDisturbance else { throw error }
            try onDisk { () throws(KernelError) in
                touch()
                if try entries.target.current.statusIfPresent(of: name) == nil { return }
                try entries.target.current.removeFile(name)
            }
        }
    }

    /// - Returns: whether the file is taken over from the earlier copy.
    private mutating func linkFormer(_ name: FilePath, _ status: FileStatus) throws(KernelError) -> Bool {
        guard try former?.link(name, status, in: entries.target.current) ?? false else { return false }
        if entries.keep(name, status) {
            record(name, CopiedEntry(status, isShared: true))
            return true
        }
        try entries.target.current.removeFile(name)
        return false
    }

    // MARK: Folders

    private func frame(of copied: CopiedFolder, _ source: borrowing OwnedFD) throws(KernelError) -> Frame {
        let status = try source.status()
        let isComplete = copied.own.map { isUpToDate($0, status) } ?? false
        return Frame(
            copied: copied, status: status,
            metadata: isComplete ? nil : try FileMetadata(of: source, status, entries.options))
    }

    /// Whether the copy of the current folder may have entries that are gone.
    private var hasMore: Bool { frames[frames.count - 1].count < copied.count }

    /// Removes those that `source`, which is the current folder, has no more.
    private mutating func removeGone(from source: borrowing OwnedFD) throws(KernelError) {
        for name in Array(copied.files.keys) + Array(copied.folders.keys)
        where try source.statusIfPresent(of: name) == nil {
            try remove(name)
        }
    }

    /// Completes the copy of the current folder, which the walk is done with.
    private mutating func finish() throws(KernelError) {
        let frame = frames.removeLast()
        if let metadata = frame.metadata {
            try metadata.replace(at: entries.target.current)
        } else if frame.isTouched || frame.copied.own?.accessed != frame.status.accessed {
            try entries.target.current.setTimes(accessed: frame.status.accessed, modified: frame.status.modified)
        }
        // Without a moment that vouches for it, a change just after it was read could bear the same time.
        frame.copied.own = vouches(for: frame.status) ? CopiedEntry(frame.status) : nil
    }
}

extension TreeMirror: TreeVisitor {
    var passesOverVanished: Bool { isInUse }

    mutating func visit(
        _ name: FilePath, _ kind: FileKind, in folder: borrowing OwnedFD
    ) throws(StoreError) -> Bool {
        let status: FileStatus
        do throws(KernelError) {
            guard let present = try folder.statusIfPresent(of: name) else {
                if isInUse { return false }
                throw KernelError("fstatat", name.description, errno: .noSuchFile)
            }
            status = present
            if status.kind == .directory {
                try visitFolder(name)
                return true
            }
            if let entry = copied.files[name], isUpToDate(entry, status), try keep(entry, name, status) { return false }
            try remove(name)
        } catch {
            throw entries.explain(error, name, kind)
        }
        if isInUse {
            try copyAhead(name, status, in: folder)
        } else {
            record(name, CopiedEntry(try entries.copy(name, status.kind, in: folder, as: name)))
        }
        return false
    }

    mutating func entered(_ name: FilePath, _ folder: borrowing OwnedFD) throws(StoreError) {
        guard let entered = copied.folders[name] else { preconditionFailure("a folder is made before it is entered") }
        do throws(KernelError) {
            frames.append(try frame(of: entered, folder))
            try entries.target.descend(into: name)
            try former?.descend(into: name)
        } catch {
            throw entries.explain(error, name, .directory)
        }
    }

    mutating func left(_ name: FilePath, in parent: borrowing OwnedFD) throws(StoreError) {
        do throws(KernelError) {
            if hasMore { try removeGone(from: parent.openDirectory(name)) }
            try finish()
            try entries.target.ascend()
            try former?.ascend()
        } catch {
            throw entries.explain(error, name, .directory)
        }
    }

    func failure(_ error: KernelError) -> StoreError { entries.explain(error) }
}

extension StoreError {
    /// Whether somebody who is at work in a tree may have caused it.
    fileprivate var isDisturbance: Bool {
        switch self {
        case .notCopyable: true
        case .kernel(let error):
            [.noSuchFile, .notDirectory, .isDirectory, .tooManyLinks, .noSuchDevice, .staleHandle, .invalid]
                .contains(error.errno)
        default: false
        }
    }
}
