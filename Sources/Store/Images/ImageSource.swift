import Kernel

/// What someone wants to import as an image, opened and known for what it is.
enum ImageSource: ~Copyable {
    /// The archive of a root filesystem, plain or compressed.
    case rootfs(FileRange)
    /// An OCI layout or what `docker save` writes, in a folder or an uncompressed archive.
    case image(ImageFiles)
    /// The same in a compressed archive, which has to be decompressed as a whole.
    case compressedImage(FileRange)

    /// What people mistake for an image, by its first bytes.
    private static let knownOthers: [(magic: [UInt8], name: String)] = [
        (Array("BZh".utf8), "compressed with bzip2"),
        (Array("PK\u{3}\u{4}".utf8), "a zip archive"),
        ([0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c], "a 7-Zip archive"),
        (Array("hsqs".utf8), "a squashfs filesystem"),
        ([0x51, 0x46, 0x49, 0xfb], "a qcow2 disk image"),
        (Array("!<arch>\n".utf8), "a Debian package or ar archive"),
        ([0x7f, 0x45, 0x4c, 0x46], "a program"),
    ]

    /// - Throws: `imageInvalid`, saying what the path is when it is something else; `kernel` when it cannot be opened.
    static func open(
        _ path: String, limits: ImageLimits, monitor: ImageMonitor
    ) throws(StoreError) -> ImageSource {
        guard let name = FilePath(path) else { throw .imageInvalid(reason: "its path holds a NUL") }
        // Not blocking, in case it is a fifo.
        let file = try onDisk { () throws(KernelError) in try OwnedFD.open(name, [.read, .nonBlocking]) }
        let status = try onDisk { () throws(KernelError) in try file.status() }
        switch status.kind {
        case .regular:
            let range = FileRange(file: SharedFile(file), offset: 0, size: status.size, name: path)
            return try ofFile(range, path, limits, monitor)
        case .directory: return try .image(ofFolder(file, path))
        default: throw .imageInvalid(reason: "\(path) is neither a file nor a folder")
        }
    }

    private static func ofFolder(_ folder: consuming OwnedFD, _ path: String) throws(StoreError) -> ImageFiles {
        for marker in [OCILayout.marker, DockerArchive.marker] {
            let isThere = try onDisk { () throws(KernelError) in try folder.statusIfPresent(of: marker) != nil }
            if isThere { return .folder(folder) }
        }
        throw .imageInvalid(
            reason: "\(path) is a folder but no OCI image layout: it holds no 'oci-layout'; import a layout, an "
                + "archive of one, a 'docker save' archive, or a tar archive of a root filesystem")
    }

    private static func ofFile(
        _ range: FileRange, _ path: String, _ limits: ImageLimits, _ monitor: ImageMonitor
    ) throws(StoreError) -> ImageSource {
        let start = try onDisk { () throws(KernelError) in
            try range.file.descriptor.read(at: 0, upTo: 16, expecting: 16)
        }
        for other in knownOthers where start.starts(with: other.magic) {
            throw .imageInvalid(reason: "\(path) is \(other.name); give a tar archive, plain or with gzip, zstd or xz")
        }
        var judge = ArchiveJudge()
        if let index = try TarIndex(range.file, limits: limits, accepting: { judge.mayBeImage($0) }), judge.isImage {
            return .image(.archive(index))
        }
        if judge.isRootfs || judge.hasNames { return .rootfs(range) }
        return try compressed(range, limits, monitor)
    }

    /// Looks into a compressed archive as far as is needed to know what it holds. What is damaged is left to whoever unpacks it.
    private static func compressed(
        _ range: FileRange, _ limits: ImageLimits, _ monitor: ImageMonitor
    ) throws(StoreError) -> ImageSource {
        var judge = ArchiveJudge()
        do throws(StoreError) {
            let stream = try DecompressedStream(range, limits: limits, monitor: monitor.uncounted())
            var tar = try TarReader(stream.source)
            while !judge.isImage, let entry = try tar.next() {
                if let name = entry.path.components.first, !judge.mayBeImage(name) { break }
            }
            stream.close()
        } catch {
            if case .imageInvalid = error { return .rootfs(range) }
            throw error
        }
        return judge.isImage ? .compressedImage(range) : .rootfs(range)
    }
}

/// Tells the archive of an image from that of a root filesystem by the names at its top.
private struct ArchiveJudge {
    private(set) var isImage = false
    private(set) var isRootfs = false
    private(set) var hasNames = false

    private static let imageNames: Set<FilePath> = [
        OCILayout.marker, DockerArchive.marker, "index.json", "blobs", "repositories",
    ]
    /// What the Filesystem Hierarchy Standard has at the top, as far as no image's archive has it.
    private static let rootNames: Set<FilePath> = [
        "bin", "boot", "dev", "etc", "home", "lib", "lib32", "lib64", "media", "mnt", "opt", "proc", "root", "run",
        "sbin", "srv", "sys", "tmp", "usr", "var",
    ]

    /// Takes note of a name; false once it is certain that this is no image's archive.
    mutating func mayBeImage(_ name: FilePath) -> Bool {
        hasNames = true
        if Self.rootNames.contains(name) {
            isRootfs = true
        } else if Self.imageNames.contains(name) || Self.isDigest(name) {
            isImage = true
        }
        return !isRootfs
    }

    /// Archives of images name layers and configurations by digests, with something behind them or not.
    private static func isDigest(_ name: FilePath) -> Bool {
        let text = name.description
        let digits = text.hasPrefix(ImageDigest.algorithm) ? text.dropFirst(ImageDigest.algorithm.count) : text[...]
        return ImageDigest(rawValue: ImageDigest.algorithm + digits.prefix(64)) != nil
    }
}
