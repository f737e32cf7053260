import CKernel
import Glibc
import Kernel

/// Finds the paths of watched files, by their inode numbers: first where a process is most likely to watch, then everywhere.
struct WatchSearch {
    /// Entries of folders that are looked at: a search stops the sandbox.
    private static let limit = 400_000
    private static let otherFilesystems: Set<String> = ["/proc", "/sys", "/dev"]

    private let root: Int32
    private var wanted: Set<WatchedInode>
    private var found: [WatchedInode: String] = [:]
    private var seen = 0

    /// - Parameter root: the sandbox's root folder.
    /// - Returns: the paths of those that were found.
    static func paths(
        of wanted: Set<WatchedInode>, watchedBy process: Int32, in root: borrowing OwnedFD
    ) throws(KernelError) -> [WatchedInode: String] {
        var search = WatchSearch(root: root.rawValue, wanted: wanted)
        let folder = try FileLink.target(of: "/proc/\(process)/cwd")
        search.look(at: folder)
        let words = try ProcessLineage.textIfPresent("/proc/\(process)/cmdline").split(separator: "\0").dropFirst()
        for word in words { search.look(at: word.hasPrefix("/") ? String(word) : folder + "/" + word) }
        let likely = ["/tmp", "/root", "/home", "/srv", "/var", "/dev/shm"]
        for place in (folder == "/" ? [] : [folder]) + likely + ["/"] { search.walk(below: place) }
        return search.found
    }

    private init(root: Int32, wanted: Set<WatchedInode>) {
        self.root = root
        self.wanted = wanted
    }

    private mutating func look(at path: String) {
        guard !wanted.isEmpty, let file = open(path), let status = try? file.openFileStatus() else { return }
        let candidates = wanted.filter { $0.inode == status.identity.inode }
        if candidates.isEmpty { return }
        guard let watched = Self.watched(file) else { return }
        for candidate in candidates where candidate.device == watched.device {
            if candidate.isFolder && status.kind != .directory { continue }
            found[candidate] = path
            wanted.remove(candidate)
        }
    }

    /// How the kernel would tell of a watch of this file: numbers of different filesystems below one mount may be alike.
    private static func watched(_ file: borrowing OwnedFD) -> WatchedInode? {
        let watcher = ck_inotify_create(0)
        if watcher < 0 { return nil }
        let owner = OwnedFD(takingOver: watcher)
        let anything: UInt32 = 0xfff  // IN_ALL_EVENTS
        // unsafe: the path is valid while the call lasts.
        if unsafe ck_inotify_add(owner.rawValue, "/proc/self/fd/\(file.rawValue)", anything) < 0 { return nil }
        guard let info = try? ProcFS.read("/proc/self/fdinfo/\(owner.rawValue)") else { return nil }
        return info.lines.lazy.compactMap(Watches.Row.init).first?.watched
    }

    /// Looks at everything below a folder, the nearest first. What may not be read is passed over.
    private mutating func walk(below place: String) {
        var folders = [place == "/" ? "" : place]
        var next = 0
        while next < folders.count, !wanted.isEmpty, seen < Self.limit {
            let path = folders[next]
            next += 1
            guard let folder = open(path.isEmpty ? "/" : path, .directory), let entries = try? folder.entries() else {
                continue
            }
            for entry in entries where !wanted.isEmpty {
                seen += 1
                let child = path + "/" + entry.name.description
                guard let status = try? folder.status(of: entry.name) else { continue }
                if wanted.contains(where: { $0.inode == status.inode }) { look(at: child) }
                if status.kind == .directory && !Self.otherFilesystems.contains(child) { folders.append(child) }
            }
        }
    }

    private func open(_ path: String, _ flags: FileOpenFlags = []) -> OwnedFD? {
        guard let path = FilePath(path) else { return nil }
        let flags: FileOpenFlags = flags == .directory ? [.read, .directory] : .pathOnly
        guard let root = try? OwnedFD.open(FilePath(verbatim: "/proc/self/fd/\(root)"), [.directory, .pathOnly]) else {
            return nil
        }
        return try? root.open(path, flags, resolving: .inRoot)
    }
}
