import CKernel
import Glibc
import Kernel

/// epoll(7): what it watches is put in from inside the process, for it is known by the process's own descriptor numbers.
struct PollSetImage: Codable, Sendable {
    var entries: [Entry]

    struct Entry: Codable, Sendable {
        var descriptor: Int32
        var events: UInt32
        var data: UInt64
    }
}

enum PollSets {
    /// From lines as `tfd: 5 events: 19 data: 7f… pos:0 ino:… sdev:…`.
    static func capture(_ view: DescriptorView) -> PollSetImage {
        PollSetImage(
            entries: view.info.lines.compactMap { line in
                let fields = line.split(separator: " ", omittingEmptySubsequences: true)
                guard line.hasPrefix("tfd:"), fields.count >= 6, let descriptor = Int32(fields[1]),
                    let events = UInt32(fields[3], radix: 16), let data = UInt64(fields[5], radix: 16)
                else { return nil }
                return .init(descriptor: descriptor, events: events, data: data)
            })
    }

    static func open() throws(KernelError) -> OwnedFD {
        OwnedFD(takingOver: try check("epoll_create1") { ck_epoll_create() })
    }

    /// struct epoll_event, packed on x86-64.
    static func eventBytes(_ entry: PollSetImage.Entry) -> [UInt8] {
        plainBytes(of: entry.events) + plainBytes(of: entry.data)
    }
}

/// inotify(7).
struct WatchesImage: Codable, Sendable {
    var watches: [Watch]

    struct Watch: Codable, Sendable {
        var number: Int32
        var mask: UInt32
        /// Inside the sandbox; nil when it could not be found.
        var path: String?
    }
}

enum Watches {
    /// From lines as `inotify wd:1 ino:45 sdev:2a mask:100 ignored_mask:0 fhandle-…`. The kernel tells no path: only watches of
    /// what the process itself can name through an open descriptor could be found again.
    static func capture(_ view: DescriptorView, _ context: CaptureContext) throws(ResourceError) -> WatchesImage {
        var watches: [WatchesImage.Watch] = []
        for line in view.info.lines where line.hasPrefix("inotify wd:") {
            let fields = Dictionary(
                line.split(separator: " ").dropFirst().compactMap { field -> (Substring, Substring)? in
                    let parts = field.split(separator: ":", maxSplits: 1)
                    return parts.count == 2 ? (parts[0], parts[1]) : nil
                }, uniquingKeysWith: { first, _ in first })
            guard let number = fields["wd"].flatMap({ Int32($0, radix: 16) }),
                let mask = fields["mask"].flatMap({ UInt32($0, radix: 16) }),
                let inode = fields["ino"].flatMap({ UInt64($0, radix: 16) })
            else { throw .unsupported("the kernel does not tell what its inotify \(view.number) watches") }
            watches.append(.init(number: number, mask: mask, path: context.path(ofWatchedInode: inode)))
        }
        if watches.contains(where: { $0.path == nil }) {
            throw .unsupported("its inotify \(view.number) watches something whose path cannot be found")
        }
        return WatchesImage(watches: watches)
    }

    static func open(_ image: WatchesImage, _ context: RestoreContext) throws(KernelError) -> OwnedFD {
        let watcher = OwnedFD(takingOver: try check("inotify_init1") { ck_inotify_create(0) })
        for watch in image.watches.sorted(by: { $0.number < $1.number }) {
            guard let path = watch.path else { continue }
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
