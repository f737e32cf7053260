import Kernel
import Synchronization

/// A copy of a sandbox's upper that becomes a layer: most of it is made while processes run, the rest while they stand still.
///
/// Ends with `complete`, or with `Store.discard`.
public final class UpperCopy: Sendable {
    /// How often a round begins anew when a folder was moved away from under it.
    private static let roundLimit = 3
    /// More than this is worth a quiet moment: copying so much takes as long as to stop and go on, a few milliseconds.
    private static let smallCount: Int64 = 64
    private static let smallSize: Int64 = 4 << 20  // bytes

    public let layer: LayerID
    private let sandbox: SandboxRecord
    private let store: Store
    private let former: FormerUpper?
    private let progress: Mutex<Progress>

    private struct Progress {
        let root = CopiedFolder()
        /// What is copied and unchanged since then needs no more work.
        var moment: QuietMoment?
        var left = TreeCopySummary()
    }

    fileprivate init(_ layer: LayerID, of sandbox: SandboxRecord, in store: Store, after former: FormerUpper?) {
        self.layer = layer
        self.sandbox = sandbox
        self.store = store
        self.former = former
        progress = Mutex(Progress(moment: former?.moment))
    }

    /// Whether so much is left that it should not be copied while everything stands still.
    public var hasMuchLeft: Bool {
        progress.withLock { $0.left.files > Self.smallCount || $0.left.bytes > Self.smallSize }
    }

    /// Copies what will do while processes run: folders, what can be taken over from the last copy, and what has not been changed since
    /// the given moment.
    ///
    /// - Throws: `noSpace`, `kernel`.
    public func advance(since moment: QuietMoment? = nil) throws(StoreError) {
        try progress.withLock { (progress) throws(StoreError) in
            if let moment { progress.moment = moment }
            for _ in 1...Self.roundLimit {
                let outcome = try round(progress, isInUse: true)
                progress.left = outcome.left
                if outcome.isWhole { return }
            }
        }
    }

    /// Copies the rest. Nothing may write to the sandbox's files meanwhile; the caller has stopped its processes.
    ///
    /// - Returns: what a copy made at this moment as a whole would be.
    /// - Throws: `notCopyable`, `noSpace`, `kernel`.
    public func complete() throws(StoreError) -> (layer: StagedLayer, next: FormerUpper?) {
        try progress.withLock { (progress) throws(StoreError) in
            let copied = try round(progress, isInUse: false).copied
            let next = progress.moment.flatMap {
                FormerUpper(files: sandbox.files, layer: layer, copied: progress.root, moment: $0)
            }
            return (StagedLayer(id: layer, copied: copied), next)
        }
    }

    private func round(_ progress: borrowing Progress, isInUse: Bool) throws(StoreError) -> TreeMirror.Outcome {
        var moment = progress.moment
        if let present = moment, try !onDisk({ () throws(KernelError) in try present.isComparable(by: store.clock) }) {
            moment = nil
        }
        return try TreeMirror.update(
            progress.root, at: store.staging.openFolder(layer.path).openFolder(StoreLayout.content),
            from: store.openUpper(of: sandbox), isInUse: isInUse, since: moment,
            former: isInUse && moment != nil ? former?.tree(in: store) : nil)
    }
}

/// What a copy of an upper leaves for the next one.
public struct FormerUpper: Sendable {
    /// Of more entries nothing is remembered, at 200 bytes each.
    private static let countLimit = 100_000

    private let files: FilesID
    private let layer: LayerID
    private let copied: CopiedFolder
    fileprivate let moment: QuietMoment

    /// - Returns: nil when that is too much to be kept in memory.
    fileprivate init?(files: FilesID, layer: LayerID, copied: CopiedFolder, moment: QuietMoment) {
        if copied.countAll() > Self.countLimit { return nil }
        self.files = files
        self.layer = layer
        self.copied = copied
        self.moment = moment
    }

    func isOf(_ sandbox: SandboxRecord) -> Bool { files == sandbox.files }

    /// - Returns: nil when the layer is gone.
    fileprivate func tree(in store: Store) throws(StoreError) -> FormerTree? {
        do throws(StoreError) {
            let content = try store.openContent(layer)
            return try onDisk { () throws(KernelError) in try FormerTree(content, copied, moment) }
        } catch {
            guard case .storeCorrupt = error else { throw error }
            return nil
        }
    }
}

extension Store {
    /// Begins to copy a sandbox's upper, exactly, into a new layer: for a snapshot of a sandbox whose processes live on.
    ///
    /// - Parameter former: what the copy before has left; its layer need not be there any more.
    /// - Throws: `noSpace`, `kernel`. On failure nothing is left behind.
    public func beginCopy(
        ofUpperOf sandbox: SandboxRecord, after former: FormerUpper? = nil
    ) throws(StoreError) -> UpperCopy {
        let layer = LayerID.random()
        try stagingFolder(layer.path) { (staged: borrowing OwnedFD) throws(StoreError) in
            try onDisk { () throws(KernelError) in
                try Manifest.write(
                    LayerRecord(id: layer, createdAt: .now).json, as: StoreLayout.layerManifest, in: staged)
                try staged.makeDirectory(StoreLayout.content, permissions: 0o700)
            }
        }
        let usable = former.flatMap { $0.isOf(sandbox) ? $0 : nil }
        return UpperCopy(layer, of: sandbox, in: self, after: usable)
    }

    /// Notes the present moment, in which nothing writes to the sandbox's files; the caller has stopped its processes.
    ///
    /// - Parameter mapped: paths inside the sandbox of files that its processes have mapped and share, whatever they lie in.
    public func quietMoment(of sandbox: SandboxRecord, mapped: Set<String>) throws(StoreError) -> QuietMoment {
        let own = try ownFiles(of: sandbox)
        return try onDisk { () throws(KernelError) in
            var files: Set<FileIdentity> = []
            for path in mapped {
                if let file = try own.identity(of: path) { files.insert(file) }
            }
            return try QuietMoment(clock, mapped: files)
        }
    }
}
