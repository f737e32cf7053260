import Glibc
import Kernel

/// The engine's own folder in one hierarchy of control groups, with a folder for each sandbox in it.
///
/// It is locked by `flock(2)` as long as its engine lives, however that ends. So every engine can tell the groups of dead ones,
/// which stay when a launcher was killed together with its engine, and remove them.
final class EngineGroup: Sendable {
    /// How long the kernel may take to let go of the last processes, on a busy machine.
    private static let removalPatience = Duration.seconds(10)
    private static let prefix = "isorun-"

    let hierarchy: String
    let folder: String
    private let lock: OwnedFD

    /// Nil where the hierarchy is not the caller's to divide.
    ///
    /// - Parameters:
    ///   - hierarchy: an absolute path.
    ///   - engine: a name that no other engine has.
    init?(in hierarchy: String, engine: String) {
        let folder = hierarchy + "/" + Self.prefix + engine
        guard let lock = Self.make(folder) else { return nil }
        self.hierarchy = hierarchy
        self.folder = folder
        self.lock = lock
    }

    private static func make(_ folder: String) -> OwnedFD? {
        // Between the two calls another engine may take it for abandoned; then it is made again.
        for _ in 0..<100 {
            if unsafe mkdir(folder, 0o700) != 0 && Errno.current != .exists { return nil }
            if let lock = lockedFolder(folder), unsafe access(folder, F_OK) == 0 { return lock }
            usleep(200)
        }
        return nil
    }

    /// Nil when somebody else holds the lock, or there is no such folder.
    private static func lockedFolder(_ path: String) -> OwnedFD? {
        guard let folder = try? OwnedFD.open(FilePath(verbatim: path), .directory),
            (try? folder.tryLock(.exclusive)) == true
        else { return nil }
        return folder
    }

    /// Removes the groups of all sandboxes and the folder itself. Processes that are in them still are killed.
    func remove() {
        let deadline = ContinuousClock.now + Self.removalPatience
        while !Self.remove(folder, killing: true), ContinuousClock.now < deadline { usleep(1000) }
    }

    /// Removes what dead engines have left in a hierarchy. What cannot be removed yet is left to the next engine.
    static func removeAbandoned(in hierarchy: String) {
        guard let entries = try? OwnedFD.open(FilePath(verbatim: hierarchy), .directory).entries() else { return }
        for entry in entries where entry.name.description.hasPrefix(prefix) {
            let folder = hierarchy + "/" + entry.name.description
            guard let lock = lockedFolder(folder) else { continue }
            _ = remove(folder, killing: false)
            _ = consume lock
        }
    }

    /// Whether it is gone.
    private static func remove(_ folder: String, killing: Bool) -> Bool {
        for group in subgroups(of: folder) {
            if killing { kill(processesOf: group) }
            unsafe _ = rmdir(group)
        }
        return unsafe rmdir(folder) == 0 || Errno.current == .noSuchFile
    }

    private static func subgroups(of folder: String) -> [String] {
        // A folder that cannot be read any more has no groups that could be removed.
        guard let entries = try? OwnedFD.open(FilePath(verbatim: folder), .directory).entries() else { return [] }
        return entries.filter { $0.kind == .directory }.map { folder + "/" + $0.name.description }
    }

    private static func kill(processesOf group: String) {
        guard let list = try? ProcFS.read(group + "/cgroup.procs") else { return }
        for pid in list.split(separator: "\n").compactMap({ Int32($0) }) where pid > 1 { _ = Glibc.kill(pid, SIGKILL) }
    }
}
