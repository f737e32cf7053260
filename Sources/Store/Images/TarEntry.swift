import CArchive
import Glibc
import Kernel

/// What a tar archive says of one entry.
struct TarEntry {
    enum Content {
        case regular(size: Int64)
        case directory
        case symlink(target: FilePath)
        case hardLink(target: FilePath)
        case fifo
        case device
    }

    /// As it stands in the archive.
    let path: FilePath
    let content: Content
    let permissions: UInt32
    let owner: UInt32
    let group: UInt32
    let modified: FileTime
    let attributes: [(name: FilePath, value: [UInt8])]

    /// - Parameter entry: libarchive's own, read completely here.
    /// - Throws: `imageInvalid` for what no root filesystem holds.
    init(_ entry: OpaquePointer) throws(StoreError) {
        // unsafe, here and below: libarchive's strings live until the next header is read; they are copied at once.
        guard let path = unsafe Self.path(archive_entry_pathname(entry)) else {
            throw .imageInvalid(reason: "an entry has no name")
        }
        self.path = path
        content = try unsafe Self.content(of: entry, path)
        permissions = unsafe archive_entry_perm(entry)
        let ids = unsafe (archive_entry_uid(entry), archive_entry_gid(entry))
        guard let owner = UInt32(exactly: ids.0), let group = UInt32(exactly: ids.1) else {
            throw .imageInvalid(reason: "entry '\(path)' has an owner that is no user id")
        }
        self.owner = owner
        self.group = group
        modified = unsafe FileTime(
            nanoseconds: Int64(archive_entry_mtime(entry)).multipliedReportingOverflow(by: 1_000_000_000).partialValue
                &+ Int64(archive_entry_mtime_nsec(entry)))
        attributes = unsafe Self.attributes(of: entry)
    }

    private static func path(_ text: UnsafePointer<CChar>?) -> FilePath? {
        guard let text = unsafe text else { return nil }
        // unsafe: ends in NUL, of which a path has no other.
        return unsafe FilePath(bytes: UnsafeRawBufferPointer(start: text, count: strlen(text)))
    }

    private static func content(of entry: OpaquePointer, _ path: FilePath) throws(StoreError) -> Content {
        if let target = unsafe Self.path(archive_entry_hardlink(entry)) { return .hardLink(target: target) }
        switch unsafe archive_entry_filetype(entry) {
        case S_IFREG: return unsafe .regular(size: Int64(archive_entry_size(entry)))
        case S_IFDIR: return .directory
        case S_IFLNK:
            guard let target = unsafe Self.path(archive_entry_symlink(entry)), !target.isEmpty else {
                throw .imageInvalid(reason: "symlink '\(path)' has no target")
            }
            return .symlink(target: target)
        case S_IFIFO: return .fifo
        case S_IFCHR, S_IFBLK: return .device
        default: throw .imageInvalid(reason: "entry '\(path)' is of no kind that a root filesystem holds")
        }
    }

    private static func attributes(of entry: OpaquePointer) -> [(name: FilePath, value: [UInt8])] {
        var attributes: [(name: FilePath, value: [UInt8])] = []
        var count = unsafe archive_entry_xattr_reset(entry)
        while count > 0 {
            count -= 1
            var name: UnsafePointer<CChar>?
            var value: UnsafeRawPointer?
            var size = 0
            // unsafe: libarchive sets the three, of strings that live until the next header is read.
            guard unsafe archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK,
                let path = unsafe path(name)
            else { break }
            attributes.append((path, unsafe Array(UnsafeRawBufferPointer(start: value, count: size))))
        }
        return attributes
    }
}
