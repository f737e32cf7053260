import Kernel
import Synchronization

/// The files of images, layers, snapshots and sandboxes, in one folder that several engines may share.
///
/// The filesystem is the database. An object is a folder that appears by one rename when it is complete, so readers
/// never see half of one and a crash loses at most the operation that was running:
///
///     version  lock
///     engines/<engine>.lock              held by flock(2) while that engine lives
///     images/<digest>/manifest.json      images/refs/<reference> holds the digest it stands for
///     layers/<layer>/{content/,layer.json}
///     snapshots/<snapshot>/{manifest.json,runtime/}
///     sandboxes/<sandbox>/{sandbox.json,files-…/{upper,work},runtime/}
///     staging/<engine>/                  objects being made, by the engine that makes them
///     trash/                             objects being deleted
///
/// All methods are synchronous and may be called from any thread.
public final class Store: Sendable {
    /// The format of the layout and of everything in it; a store with a higher number is refused.
    public static let formatVersion: Int64 = 1

    /// The store's folder, absolute.
    public let path: String
    /// This process among the engines that share the store.
    public let engine: EngineID

    let root: OwnedFD
    let engines: OwnedFD
    let images: OwnedFD
    let references: OwnedFD
    let layers: OwnedFD
    let snapshots: OwnedFD
    let sandboxes: OwnedFD
    let allStaging: OwnedFD
    /// `staging/<engine>`: what this engine is making.
    let staging: OwnedFD
    let trash: OwnedFD
    /// Held while this value lives; other engines see by it that this one does.
    private let engineLock: OwnedFD
    let mergeIndex = Mutex(MergeIndex())
    /// Folders of files in `staging` that no sandbox uses yet, by their mount points.
    let spareFiles = Mutex<[[FilePath]: [FilesID]]>([:])
    let layerSizes = Mutex<[LayerID: Int64]>([:])
    let clock: ClockChanges

    /// Opens the store at `path`, makes it if there is an empty folder or none, and removes what dead engines left:
    /// their running sandboxes and half-made objects. Unnamed layers stay until `collectGarbage`.
    ///
    /// - Parameter path: absolute. Missing parents are made, with mode 0700.
    /// - Throws: `notAStore`, `newerVersion`, `storeCorrupt`, `readOnly`, `noSpace`, `storeLocked`, `kernel`.
    public static func open(_ path: String) throws(StoreError) -> Store {
        let root = try StoreLayout.openRoot(path)
        try StoreLayout.prepare(root, path: path)
        let store = try Store(path: path, root: root)
        try store.recover()
        return store
    }

    private init(path: String, root: consuming OwnedFD) throws(StoreError) {
        self.path = path
        engine = .random()
        clock = try onDisk { () throws(KernelError) in try ClockChanges() }
        engines = try root.openFolder(StoreLayout.engines)
        images = try root.openFolder(StoreLayout.images)
        references = try root.openFolder(StoreLayout.references)
        layers = try root.openFolder(StoreLayout.layers)
        snapshots = try root.openFolder(StoreLayout.snapshots)
        sandboxes = try root.openFolder(StoreLayout.sandboxes)
        allStaging = try root.openFolder(StoreLayout.staging)
        trash = try root.openFolder(StoreLayout.trash)
        // Under the store's lock, so that no collector finds the engine's lock file before it is held.
        let lock = try StoreLock.take(.shared, in: root, storePath: path)
        engineLock = try EngineLock.create(engine, in: engines)
        let stagingName = FilePath(verbatim: "\(StoreLayout.staging)/\(engine)")
        try onDisk { () throws(KernelError) in try root.makeDirectory(stagingName, permissions: 0o700) }
        staging = try root.openFolder(stagingName)
        // Sandboxes come and go by thousands, and ext4 without a journal passes over every inode that was deleted within the
        // last minutes when it looks for a free one nearby (fs/ext4/ialloc.c, find_inode_bit). Elsewhere there are none.
        staging.spreadDirectories()
        lock.release()
        self.root = root
    }

    /// Where an object's files lie, for mounts and for programs that need a path.
    func path(_ components: String...) -> String { ([path] + components).joined(separator: "/") }

    /// Runs a short change of the store, which garbage collection does not overlap.
    func changing<Result: ~Copyable>(_ body: () throws(StoreError) -> Result) throws(StoreError) -> Result {
        let lock = try StoreLock.take(.shared, in: root, storePath: path)
        let result = try body()
        lock.release()
        return result
    }
}
