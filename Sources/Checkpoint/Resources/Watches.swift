import CKernel
import Glibc
import Kernel

/// inotify(7).
struct WatchesImage: Codable, Sendable {
    var watches: [Watch]

    struct Watch: Codable, Sendable {
        var number: Int32
        var mask: UInt32
        /// Inside the sandbox.
        var path: String
    }
}

/// What is watched, as the kernel tells it.
struct WatchedInode: Hashable {
    let inode: UInt64
    /// Of the filesystem, as the kernel numbers it.
    let device: UInt64
    /// Whether something is asked for that happens in folders only. An overlay numbers its folders itself and leaves files the
    /// numbers that they have below, so that one of each may have the same.
    let isFolder: Bool
}

enum Watches {
    /// A line as `inotify wd:1 ino:45 sdev:2a mask:100 ignored_mask:0 fhandle-…` (proc_pid_fdinfo(5)).
    struct Row {
        let number: Int32
        let mask: UInt32
        let watched: WatchedInode

        init?(_ line: Substring) {
            guard line.hasPrefix("inotify wd:") else { return nil }
            let fields = Dictionary(
                line.split(separator: " ").dropFirst().compactMap { field -> (Substring, Substring)? in
                    let parts = field.split(separator: ":", maxSplits: 1)
                    return parts.count == 2 ? (parts[0], parts[1]) : nil
                }, uniquingKeysWith: { first, _ in first })
            guard let number = fields["wd"].flatMap({ Int32($0, radix: 16) }),
                let mask = fields["mask"].flatMap({ UInt32($0, radix: 16) }),
                let inode = fields["ino"].flatMap({ UInt64($0, radix: 16) }),
                let device = fields["sdev"].flatMap({ UInt64($0, radix: 16) })
            else { return nil }
            self.number = number
            self.mask = mask
            // IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE
            watched = WatchedInode(inode: inode, device: device, isFolder: mask & 0x3c0 != 0)
        }
    }

    /// The kernel tells no path: what is watched is looked for among the sandbox's files.
    static func capture(_ view: DescriptorView, _ context: CaptureContext) throws(ResourceError) -> WatchesImage {
        let rows = view.info.lines.compactMap(Row.init)
        let paths = try kernel { () throws(KernelError) in
            try WatchSearch.paths(of: Set(rows.map(\.watched)), watchedBy: view.process, in: context.root)
        }
        var watches: [WatchesImage.Watch] = []
        for row in rows {
            guard let path = paths[row.watched] else {
                throw .unsupported("its inotify \(view.number) watches something whose path cannot be found")
            }
            watches.append(.init(number: row.number, mask: row.mask, path: path))
        }
        return WatchesImage(watches: watches)
    }

    static func open(_ image: WatchesImage, _ context: RestoreContext) throws(KernelError) -> OwnedFD {
        let watcher = OwnedFD(takingOver: try check("inotify_init1") { ck_inotify_create(0) })
        for watch in image.watches.sorted(by: { $0.number < $1.number }) {
            let path = watch.path
            let target = try context.root.open(try FilePath(validating: path), .pathOnly, resolving: .inRoot)
            let link = "/proc/self/fd/\(target.rawValue)"
            // Numbers are given in order and never again: those of watches that were removed are passed over.
            while true {
                let number = try check("inotify_add_watch", path) {
                    unsafe ck_inotify_add(watcher.rawValue, link, watch.mask)
                }
                if number >= watch.number { break }
                try check("inotify_rm_watch", path) { inotify_rm_watch(watcher.rawValue, number) }
            }
        }
        // What adding and removing has queued is not the process's.
        try watcher.setNonblocking()
        while case .bytes = try watcher.readOnce(upTo: 64 << 10) {}
        return watcher
    }
}
