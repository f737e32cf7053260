import Kernel
import Store

/// A folder or file of the host that is to be copied into a new sandbox.
public struct CopyRequest: Sendable {
    public let source: String
    public let target: String
    public let exclude: [String]

    public init(source: String, target: String, exclude: [String]) {
        self.source = source
        self.target = target
        self.exclude = exclude
    }
}

extension SandboxManager {
    /// Copies folders of the host into a sandbox that was just made, and keeps what was copied for comparisons.
    ///
    /// A failure leaves the sandbox with some of them.
    ///
    /// - Throws: as `FileAccess.copyIn`.
    public func bringIn(
        _ requests: [CopyRequest], to sandbox: Sandbox, isCancelled: @escaping @Sendable () -> Bool = { false }
    ) throws(SandboxError) {
        if requests.isEmpty { return }
        var folders: [CopiedFolder] = []
        let mounts = sandbox.state.withLock { $0.config.mounts }
        for request in requests {
            if let target = FilePath(request.target), mounts.contains(where: { $0.holds(target) }) {
                let reason = "a folder of the host is mounted there; copies would reach the host"
                throw .path(PathError(.permissionDenied(reason: reason), request.target))
            }
            let files = try sandbox.files()
            _ = try sandbox.copyIn(
                request.source, to: request.target, excluding: IgnoreRules(request.exclude), isCancelled: isCancelled)
            if let folder = try files.copied(request) { folders.append(folder) }
        }
        if folders.isEmpty { return }
        let captured = try capture(sandbox, .none, isStored: false)
        for index in folders.indices { folders[index].committed(nil, captured.layers) }
        try setFolders(folders, of: sandbox, adding: captured.staged)
    }

    /// - Parameter staged: a layer that the folders name and nothing else does yet.
    func setFolders(
        _ folders: [CopiedFolder], of sandbox: Sandbox, adding staged: StagedLayer?
    ) throws(SandboxError) {
        try sandbox.changingRecord.withLock { _ throws(SandboxError) in
            var (record, config) = sandbox.state.withLock { ($0.record, $0.config) }
            config.folders = folders
            record.config = config.json
            record.baseLayers = config.baseLayers
            let (newRecord, newConfig) = (record, config)
            try onStore { () throws(StoreError) in
                if let staged {
                    try store.updateSandbox(newRecord, adding: staged)
                } else {
                    try store.updateSandbox(newRecord)
                }
            }
            sandbox.state.withLock { state in
                state.record = newRecord
                state.config = newConfig
            }
            housekeeping.replenishFiles(overlayMountPoints: newRecord.overlayMountPoints)
        }
    }

    // MARK: Differences

    /// What differs at or below a path of a sandbox.
    ///
    /// - Parameters:
    ///   - path: absolute; in a copied folder it is compared with what was copied, else with the image.
    ///   - snapshot: what is compared with instead.
    /// - Returns: the changes, and the trees from which a text can be made of each.
    public func changes(
        of sandbox: Sandbox, at path: String, since snapshot: String?
    ) throws(SandboxError) -> [ChangedEntry] {
        if sandbox.status != .hibernated { _ = try sandbox.running() }
        let (record, config) = sandbox.state.withLock { ($0.record, $0.config) }
        guard let place = FilePath(path), !place.components.contains("..") else {
            throw .path(PathError(.notFound, path))
        }
        if snapshot == nil, let folder = config.folder(holding: place) {
            return try changes(in: folder, image: record.image, to: .sandbox(record)).filter {
                $0.change.path.components.starts(with: place.components)
            }
        }
        let before: DiffSide =
            if let snapshot { .snapshot(try snapshotRecord(snapshot).record) } else { .image(record.image) }
        let (old, new) = (try tree(before, record.image), try tree(.sandbox(record), record.image))
        return try difference(before, .sandbox(record), image: record.image)
            .filter { $0.path.components.starts(with: place.components) }
            .map { ChangedEntry(change: $0, before: old, after: new) }
    }

    /// What differs in a copied folder from what the host had, without what its copy has left out.
    func changes(
        in folder: CopiedFolder, image: ImageUse, to after: DiffSide
    ) throws(SandboxError) -> [ChangedEntry] {
        let rules = IgnoreRules(folder.exclude)
        let new = try tree(after, image)
        var found: [ChangedEntry] = []
        for (index, base) in folder.bases.enumerated() {
            let before = DiffSide.layers(base.layers, image: image)
            let old = try tree(before, image)
            for change in try difference(before, after, image: image) {
                guard let path = folder.relative(change.path), !path.isEmpty, base.covers(path),
                    !folder.bases[..<index].contains(where: { $0.covers(path) }),
                    !rules.leaveOutAtOrAbove(path, isFolder: change.type == .directory)
                else { continue }
                found.append(ChangedEntry(change: change, before: old, after: new))
            }
        }
        return found.sorted { $0.change.path < $1.change.path }
    }

    func tree(_ side: DiffSide, _ image: ImageUse) throws(SandboxError) -> LayeredTree {
        _ = try bases.base(of: image)
        let base = image.digest == nil ? bases.hostFolders() : []
        return try onStore { () throws(StoreError) in try store.tree(of: side, base: base) }
    }
}

/// A change, and where both of its sides can be read.
public struct ChangedEntry: Sendable {
    public let change: LayerChange
    let before: LayeredTree
    let after: LayeredTree
}

extension FileAccess {
    /// What a request has brought in; nil for a single file, and for a target behind a symlink, whose place is not certain.
    fileprivate func copied(_ request: CopyRequest) throws(SandboxError) -> CopiedFolder? {
        let source = try filePath(request.source)
        let location = try atPath(request.source) { () throws(KernelError) -> String? in
            let folder = try OwnedFD.open(source, .pathOnly)
            guard try folder.status().kind == .directory else { return nil }
            return try folder.location()
        }
        let target = try filePath(request.target).components.reduce("" as FilePath) { $0.appending($1) }
        guard let location, !target.isEmpty, root.isFreeOfLinks(target) else { return nil }
        return CopiedFolder(
            source: request.source, location: location, target: target, exclude: request.exclude, bases: [])
    }
}
