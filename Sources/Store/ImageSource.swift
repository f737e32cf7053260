import Kernel

/// The file that someone wants to import as an image.
struct ImageSource: ~Copyable {
    let file: OwnedFD
    let path: String

    /// What people mistake for a root filesystem's archive, by its first bytes.
    private static let knownOthers: [(magic: [UInt8], name: String)] = [
        (Array("BZh".utf8), "compressed with bzip2"),
        (Array("PK\u{3}\u{4}".utf8), "a zip archive"),
        ([0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c], "a 7-Zip archive"),
        (Array("hsqs".utf8), "a squashfs filesystem"),
        ([0x51, 0x46, 0x49, 0xfb], "a qcow2 disk image"),
        (Array("!<arch>\n".utf8), "a Debian package or ar archive"),
        ([0x7f, 0x45, 0x4c, 0x46], "a program"),
    ]

    /// Opens an archive of a root filesystem: tar, as it is or compressed with gzip, zstd or xz.
    ///
    /// - Throws: `imageInvalid`, saying what the path is when it is something else; `kernel` when it cannot be opened.
    init(opening path: String) throws(StoreError) {
        guard let name = FilePath(path) else { throw .imageInvalid(reason: "its path holds a NUL") }
        let file = try Self.open(name)
        switch try onDisk({ () throws(KernelError) in try file.status().kind }) {
        case .regular: break
        case .directory:
            let isLayout = try onDisk { () throws(KernelError) in try file.statusIfPresent(of: "oci-layout") != nil }
            throw .imageInvalid(
                reason: isLayout
                    ? "\(path) is an OCI image layout, which cannot be imported yet; import a root filesystem's archive"
                    : "\(path) is a folder; import a tar archive of a root filesystem")
        default: throw .imageInvalid(reason: "\(path) is neither a file nor a folder")
        }
        var start = FileReader(bufferSize: 16)
        _ = try onDisk { () throws(KernelError) in try start.fill(from: file) }
        for other in Self.knownOthers where start.content.starts(with: other.magic) {
            throw .imageInvalid(reason: "\(path) is \(other.name); give a tar archive, plain or with gzip, zstd or xz")
        }
        self.file = try Self.open(name)
        self.path = path
    }

    private static func open(_ name: FilePath) throws(StoreError) -> OwnedFD {
        // Not blocking, in case it is a fifo.
        try onDisk { () throws(KernelError) in try OwnedFD.open(name, [.read, .nonBlocking]) }
    }
}
