import Kernel
import Store

/// Why a change cannot be applied to the host's folder: the host's own has changed since it was copied.
public struct CommitConflict: Sendable, Equatable {
    public enum Reason: String, Sendable {
        /// Something is there that was not.
        case addedOnHost
        case changedOnHost
        case deletedOnHost
    }

    /// On the host.
    public let path: String
    public let reason: Reason
}

/// What a commit does, found out before anything is touched.
struct CommitPlan {
    enum Step {
        case remove(FilePath, expected: FileStatus)
        case removeFolder(FilePath)
        case makeFolder(FilePath, permissions: UInt32)
        case setPermissions(FilePath, UInt32)
        /// A file or symlink; `replacing`: what is there now.
        case write(FilePath, LayeredTree.Entry, replacing: FileStatus?)

        var path: FilePath {
            switch self {
            case .remove(let path, _), .removeFolder(let path), .makeFolder(let path, _), .setPermissions(let path, _),
                .write(let path, _, _):
                path
            }
        }
    }

    private(set) var steps: [Step] = []
    private(set) var changes: [LayerChange] = []
    private(set) var conflicts: [CommitConflict] = []
    /// What cannot lie in a folder of the host, and why.
    private(set) var skipped: [(path: String, reason: String)] = []
    /// Folders that the steps make or that take the place of something else: nothing of the host's is in them.
    private var made: Set<FilePath> = []

    private let folder: CopiedFolder
    private let rules: IgnoreRules
    private let bases: [LayeredTree]

    /// - Parameters:
    ///   - bases: the trees of the folder's bases, in their order.
    ///   - changed: sorted, so that a folder comes before what lies in it.
    init(
        _ folder: CopiedFolder, bases: [LayeredTree], _ changed: [ChangedEntry], on host: borrowing HostFolder
    ) throws(SandboxError) {
        self.folder = folder
        self.bases = bases
        rules = IgnoreRules(folder.exclude)
        for entry in changed {
            guard let path = folder.relative(entry.change.path) else { continue }
            let (conflictsBefore, stepsBefore) = (conflicts.count, steps.count)
            try plan(path, entry, host)
            if conflicts.count > conflictsBefore || steps.count > stepsBefore { changes.append(entry.change) }
        }
    }

    private mutating func plan(
        _ path: FilePath, _ entry: ChangedEntry, _ host: borrowing HostFolder
    ) throws(SandboxError) {
        let after = try onStore { () throws(StoreError) in try entry.after.entry(at: entry.change.path) }
        let before = try self.before(path)
        if let kind = after?.status.kind, ![.regular, .directory, .symlink].contains(kind) {
            skipped.append((host.fullPath(path), "it is \(kind.noun), which is not brought to the host"))
            return
        }
        let state = made.contains { path.isBelow($0) } ? .absent : try host.state(of: path)
        if let after, let present = state.status, try host.holds(after, at: path, present) {
            return try planPermissions(path, before, after, present)
        }
        if after == nil, case .absent = state { return }
        guard try isAsBefore(path, before, state, host) else {
            return addConflict(path, before, state, host)
        }
        if before?.status.kind == .directory {
            if try !planRemoval(ofFolder: path, host) { return }
        } else if after == nil || after?.status.kind == .directory, let present = state.status {
            steps.append(.remove(path, expected: present))
        }
        guard let after, try planParents(of: path, entry, host) else { return }
        if after.status.kind == .directory {
            steps.append(.makeFolder(path, permissions: after.status.permissions & 0o1777))
            made.insert(path)
        } else {
            steps.append(.write(path, after, replacing: before?.status.kind == .directory ? nil : state.status))
        }
    }

    /// A folder that both have: only its permissions can differ.
    private mutating func planPermissions(
        _ path: FilePath, _ before: LayeredTree.Entry?, _ after: LayeredTree.Entry, _ present: FileStatus
    ) throws(SandboxError) {
        guard after.status.kind == .directory, let before, before.status.kind == .directory else { return }
        let wanted = after.status.permissions & 0o1777
        if before.status.permissions & 0o1777 != wanted, present.permissions & 0o1777 != wanted {
            steps.append(.setPermissions(path, wanted))
        }
    }

    /// What the host had; nil for nothing.
    private func before(_ path: FilePath) throws(SandboxError) -> LayeredTree.Entry? {
        guard let index = folder.bases.firstIndex(where: { $0.covers(path) }) else { return nil }
        let tree = bases[index]
        return try onStore { () throws(StoreError) in try tree.entry(at: folder.target.appending(path)) }
    }

    private func isAsBefore(
        _ path: FilePath, _ before: LayeredTree.Entry?, _ state: HostFolder.State, _ host: borrowing HostFolder
    ) throws(SandboxError) -> Bool {
        switch (before, state) {
        case (nil, .absent): true
        case (let before?, .present(let status)): try host.holds(before, at: path, status)
        default: false
        }
    }

    private mutating func addConflict(
        _ path: FilePath, _ before: LayeredTree.Entry?, _ state: HostFolder.State, _ host: borrowing HostFolder
    ) {
        let reason: CommitConflict.Reason =
            switch (before, state) {
            case (nil, .present): .addedOnHost
            case (_, .absent): .deletedOnHost
            default: .changedOnHost
            }
        conflicts.append(CommitConflict(path: host.fullPath(path), reason: reason))
    }

    /// Plans the removal of a folder with all that was copied of it.
    ///
    /// What the copy left out stays, and the folder with it.
    /// - Returns: whether nothing of it stays.
    private mutating func planRemoval(
        ofFolder path: FilePath, _ host: borrowing HostFolder
    ) throws(SandboxError) -> Bool {
        var isWhole = true
        let present = try atPath(host.fullPath(path)) { () throws(KernelError) in try host.folder(path).entries() }
        for name in present.map(\.name).sorted() {
            let child = path.appending(name)
            let state = try host.state(of: child)
            guard let status = state.status else { continue }
            if rules.leaveOutAtOrAbove(child, isFolder: status.kind == .directory) {
                isWhole = false
                continue
            }
            let before = try self.before(child)
            guard try isAsBefore(child, before, state, host) else {
                addConflict(child, before, state, host)
                isWhole = false
                continue
            }
            if status.kind == .directory {
                if try !planRemoval(ofFolder: child, host) { isWhole = false }
            } else {
                steps.append(.remove(child, expected: status))
            }
        }
        if isWhole { steps.append(.removeFolder(path)) }
        return isWhole
    }

    /// Plans the folders above a path that the host does not have yet: with `paths` they need not be among the changes.
    ///
    /// - Returns: false when one of them was deleted on the host, which is a conflict.
    private mutating func planParents(
        of path: FilePath, _ entry: ChangedEntry, _ host: borrowing HostFolder
    ) throws(SandboxError) -> Bool {
        var above: FilePath = ""
        for name in path.components.dropLast() {
            above = above.appending(name)
            if made.contains(where: { $0 == above || above.isBelow($0) }) { continue }
            if try host.state(of: above).status != nil { continue }
            let (place, tree) = (folder.target.appending(above), entry.after)
            let present = try onStore { () throws(StoreError) in try tree.entry(at: place) }
            guard let present, try before(above) == nil else {
                conflicts.append(CommitConflict(path: host.fullPath(above), reason: .deletedOnHost))
                return false
            }
            steps.append(.makeFolder(above, permissions: present.status.permissions & 0o1777))
            made.insert(above)
        }
        return true
    }
}

extension FilePath {
    func isBelow(_ folder: FilePath) -> Bool {
        let (names, own) = (components, folder.components)
        return names.count > own.count && names.starts(with: own)
    }
}
