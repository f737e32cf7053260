import Kernel
import Store

/// Carries out a plan on a folder of the host.
///
/// All new files are written and flushed to the disk first, in a folder of their own within the host's: a full disk, or a file
/// that changes meanwhile, ends the commit before anything of the host's was touched. Then every file takes its place by one
/// rename.
struct CommitRun: ~Copyable {
    private let host: HostFolder
    private let staging: OwnedFD
    private let stagingName: FilePath
    private let options: TreeCopyOptions
    /// Whether a file that is replaced keeps its owner: an ordinary user cannot give files away.
    private let keepsOwners: Bool

    /// - Parameter owner: of new files and folders, in the engine's user namespace.
    static func perform(
        _ plan: CommitPlan, on host: consuming HostFolder, owner: (user: UInt32, group: UInt32), keepsOwners: Bool,
        isCancelled: @escaping @Sendable () -> Bool
    ) throws(SandboxError) {
        if plan.steps.isEmpty { return }
        let run = try CommitRun(host, owner: owner, keepsOwners: keepsOwners, isCancelled)
        do throws(SandboxError) {
            try run.stage(plan.steps)
            try run.verify(plan.steps)
            try run.apply(plan.steps)
        } catch {
            run.removeStaging()
            throw error
        }
        run.removeStaging()
        try run.flush(Set(plan.steps.map(\.path.parent)))
    }

    private init(
        _ host: consuming HostFolder, owner: (user: UInt32, group: UInt32), keepsOwners: Bool,
        _ isCancelled: @escaping @Sendable () -> Bool
    ) throws(SandboxError) {
        options = TreeCopyOptions(
            ownership: .all(owner: owner.user, group: owner.group), attributes: .user, isCancelled: isCancelled)
        self.keepsOwners = keepsOwners
        stagingName = FilePath(verbatim: ".isorun-commit-" + RandomName.hex(bytes: 8))
        let name = stagingName
        staging = try atPath(host.location) { () throws(KernelError) in
            try host.root.makeDirectory(name, permissions: 0o700)
            return try host.root.openDirectory(name)
        }
        self.host = host
    }

    private func removeStaging() {
        // A folder that stays is a nuisance, no harm; there is no better word on it than the failure that led here.
        _ = try? TreeRemover.remove(stagingName, in: host.root)
    }

    // MARK: Before anything is touched

    private func stage(_ steps: [CommitPlan.Step]) throws(SandboxError) {
        for (index, step) in steps.enumerated() {
            guard case .write(let path, let entry, let replaced) = step else { continue }
            if options.isCancelled() { throw .store(.cancelled) }
            let name = FilePath(verbatim: "\(index)")
            var options = options
            if keepsOwners, let replaced { options.ownership = .all(owner: replaced.owner, group: replaced.group) }
            do throws(StoreError) {
                try entry.copy(to: name, in: staging, options)
            } catch {
                throw SandboxError(error, path: host.fullPath(path))
            }
            if entry.status.kind == .regular {
                try atPath(host.fullPath(path)) { () throws(KernelError) in
                    // For reading: flushing does not mind, and permissions may forbid writing.
                    try staging.open(name, [.read, .noFollow]).synchronize()
                }
            }
        }
    }

    /// What was compared must be there still.
    private func verify(_ steps: [CommitPlan.Step]) throws(SandboxError) {
        var conflicts: [CommitConflict] = []
        for step in steps {
            let (path, expected): (FilePath, FileStatus?)
            switch step {
            case .remove(let removed, let status): (path, expected) = (removed, status)
            case .write(let written, _, let status?): (path, expected) = (written, status)
            default: continue
            }
            let present = try host.state(of: path).status
            if present?.identity != expected?.identity || present?.modified != expected?.modified
                || present?.size != expected?.size || present?.permissions != expected?.permissions
            {
                conflicts.append(CommitConflict(path: host.fullPath(path), reason: .changedOnHost))
            }
        }
        if !conflicts.isEmpty { throw .commitConflict(conflicts) }
    }

    // MARK: Changes

    private func apply(_ steps: [CommitPlan.Step]) throws(SandboxError) {
        for (index, step) in steps.enumerated() {
            switch step {
            case .remove(let path, _):
                try change(path) { (parent, name) throws(KernelError) in try parent.removeFile(name) }
            case .removeFolder(let path):
                try change(path) { (parent, name) throws(KernelError) in try parent.removeDirectory(name) }
            case .makeFolder(let path, let permissions):
                let owner = options.ownership
                try change(path) { (parent, name) throws(KernelError) in
                    try parent.makeDirectory(name, permissions: 0o700)
                    let made = try parent.openDirectory(name)
                    if case .all(let user, let group) = owner { try made.setOwner(user, group: group) }
                    try made.setPermissions(permissions)
                }
            case .setPermissions(let path, let permissions):
                try change(path) { (parent, name) throws(KernelError) in
                    try parent.openDirectory(name).setPermissions(permissions)
                }
            case .write(let path, _, let replaced):
                let staged = FilePath(verbatim: "\(index)")
                let rule: OwnedFD.RenameRule = replaced == nil ? .refuse : .replace
                try change(path) { (parent, name) throws(KernelError) in
                    try staging.rename(staged, to: name, in: parent, ifTaken: rule)
                }
            }
        }
    }

    private func change(
        _ path: FilePath, _ body: (borrowing OwnedFD, FilePath) throws(KernelError) -> Void
    ) throws(SandboxError) {
        try atPath(host.fullPath(path)) { () throws(KernelError) in
            try body(host.parent(of: path), path.lastComponent)
        }
    }

    /// Makes the new names outlive a power cut.
    private func flush(_ folders: Set<FilePath>) throws(SandboxError) {
        for path in folders {
            do throws(KernelError) {
                try host.folder(path).synchronize()
            } catch {
                // A folder that was removed after something in it.
                if ![.noSuchFile, .notDirectory].contains(error.errno) {
                    throw SandboxError(error, path: host.fullPath(path))
                }
            }
        }
    }
}
