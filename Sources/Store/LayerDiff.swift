import Kernel

/// How an entry differs between two states of a sandbox's files.
public struct LayerChange: Sendable, Equatable {
    public enum Kind: Sendable {
        case added, modified, deleted
        /// It is something else now, as a folder that was a file.
        case type
    }

    /// From the root, without a slash at the beginning.
    public let path: FilePath
    public let kind: Kind
    /// What it is now; of a deleted entry, what it was.
    public let type: FileKind
    /// In bytes; of a deleted entry, the former size.
    public let size: Int64
}

/// Compares two stacks of layers as overlayfs shows them.
///
/// Only what the layers know that the stacks do not share is looked at, so the cost follows the changes and not the
/// size of the image. A deleted folder is reported alone, an added one with everything in it. The roots of the tree
/// and of mounted filesystems are not compared themselves, and a folder's time of change does not count.
struct LayerDiff {
    /// A place that may differ, seen from its parents.
    private struct Candidate {
        let path: FilePath
        let depth: Int
        let before: Place?
        let after: Place?

        var name: FilePath { path.lastComponent }
    }

    /// A name in a merged directory.
    private struct Place {
        let parent: MergedDirectory
        let part: Int
        let kind: FileKind

        var folder: SharedDirectory { parent.folder(ofPart: part) }
    }

    private let before: LayerStack
    private let after: LayerStack
    private let isCancelled: @Sendable () -> Bool
    private var candidates: [Candidate] = []
    private var changes: [LayerChange] = []

    static func changes(
        from before: LayerStack, to after: LayerStack, isCancelled: @escaping @Sendable () -> Bool
    ) throws(StoreError) -> [LayerChange] {
        var diff = LayerDiff(before: before, after: after, isCancelled: isCancelled)
        do throws(KernelError) {
            try diff.compareFolders(before.root(), after.root(), at: "", depth: 0)
        } catch {
            throw StoreError(error)
        }
        while let candidate = diff.candidates.popLast() {
            if isCancelled() { throw .cancelled }
            if candidate.depth > TreeLimits.maxDepth { throw .treeTooDeep(path: candidate.path.description) }
            do throws(KernelError) {
                try diff.compare(candidate)
            } catch {
                // Half of the open files that a process may have are in use by one comparison: the tree is too deep.
                if error.errno == .tooManyOpenFiles { throw .treeTooDeep(path: candidate.path.description) }
                throw StoreError(KernelError(error.call, candidate.path.description, errno: error.errno))
            }
        }
        diff.changes.sort { $0.path < $1.path }
        return diff.changes
    }

    private init(before: LayerStack, after: LayerStack, isCancelled: @escaping @Sendable () -> Bool) {
        self.before = before
        self.after = after
        self.isCancelled = isCancelled
    }

    /// Notes the entries of a directory that may differ. One side is nil when the other was added or deleted.
    private mutating func compareFolders(
        _ old: MergedDirectory?, _ new: MergedDirectory?, at path: FilePath, depth: Int
    ) throws(KernelError) {
        for name in try names(old, new) {
            candidates.append(
                Candidate(
                    path: path.appending(name), depth: depth + 1, before: try place(name, in: old),
                    after: try place(name, in: new)))
        }
    }

    private func place(_ name: FilePath, in folder: MergedDirectory?) throws(KernelError) -> Place? {
        guard let folder, case .present(let part, let kind)? = try folder.entry(name) else { return nil }
        return Place(parent: folder, part: part, kind: kind)
    }

    /// The names that may differ: those in layers that are not shared, or all if one side hides shared layers.
    private func names(_ old: MergedDirectory?, _ new: MergedDirectory?) throws(KernelError) -> Set<FilePath> {
        guard let old, let new else { return Set(try (old ?? new)?.entries().keys.map { $0 } ?? []) }
        let sharedBelow = (old: before.ownLayers(comparedTo: after), new: after.ownLayers(comparedTo: before))
        let oldShared = old.parts.filter { $0.layer >= sharedBelow.old }.map { $0.layer - sharedBelow.old }
        let newShared = new.parts.filter { $0.layer >= sharedBelow.new }.map { $0.layer - sharedBelow.new }
        if oldShared == newShared {
            return try old.names(inTopmost: sharedBelow.old).union(new.names(inTopmost: sharedBelow.new))
        }
        return Set(try old.entries().keys).union(try new.entries().keys)
    }

    private mutating func compare(_ candidate: Candidate) throws(KernelError) {
        switch (candidate.before, candidate.after) {
        case (nil, nil): break
        case (let old?, nil): try report(candidate.path, .deleted, old)
        case (nil, let new?):
            try report(candidate.path, .added, new)
            try compareBelow(candidate, nil, new)
        case (let old?, let new?) where old.kind != new.kind:
            try report(candidate.path, .type, new)
            try compareBelow(candidate, nil, new)
        case (let old?, let new?):
            let isMountPoint = before.isMountPoint(candidate.path) || after.isMountPoint(candidate.path)
            if !isMountPoint, try FileComparison.differs(candidate.name, old.folder, new.folder) {
                try report(candidate.path, .modified, new)
            }
            try compareBelow(candidate, old, new)
        }
    }

    private mutating func compareBelow(_ candidate: Candidate, _ old: Place?, _ new: Place) throws(KernelError) {
        guard new.kind == .directory else { return }
        let oldFolder = try old.map { (old) throws(KernelError) in
            try before.child(candidate.name, of: old.parent, from: old.part, path: candidate.path)
        }
        let newFolder = try after.child(candidate.name, of: new.parent, from: new.part, path: candidate.path)
        try compareFolders(oldFolder, newFolder, at: candidate.path, depth: candidate.depth)
    }

    private mutating func report(_ path: FilePath, _ kind: LayerChange.Kind, _ place: Place) throws(KernelError) {
        let status = try place.folder.descriptor.status(of: path.lastComponent)
        changes.append(LayerChange(path: path, kind: kind, type: status.kind, size: status.size))
    }
}
