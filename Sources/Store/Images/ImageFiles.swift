import Kernel

/// The files that an image is made of, as an OCI layout or `docker save` names them: in a folder, or in an archive.
enum ImageFiles: ~Copyable {
    case folder(OwnedFD)
    case archive(TarIndex)

    /// For documents: manifests and configurations. Registries refuse manifests above 4 MiB (OCI distribution specification).
    private static let maxDocument = 4 << 20

    /// - Returns: nil when there is no such file.
    /// - Throws: `imageInvalid` for a link that leads out or in a circle, and for what is no regular file.
    borrowing func file(_ path: FilePath) throws(StoreError) -> FileRange? {
        switch self {
        case .archive(let index): return try index.member(path)
        case .folder(let folder):
            do throws(KernelError) {
                // Not blocking, in case it is a fifo.
                let file = try folder.open(path, [.read, .nonBlocking], resolving: [.beneath, .noMagicLinks])
                let status = try file.status()
                if status.kind == .regular {
                    return FileRange(file: SharedFile(file), offset: 0, size: status.size, name: "'\(path)'")
                }
            } catch {
                switch error.errno {
                case .noSuchFile, .notDirectory: return nil
                case .crossDevice: throw .imageInvalid(reason: "'\(path)' is a link that leads out of the folder")
                case .tooManyLinks: throw .imageInvalid(reason: "'\(path)' is a link that leads in a circle")
                default: throw StoreError(error)
                }
            }
            throw .imageInvalid(reason: "'\(path)' is no regular file")
        }
    }

    /// A blob of an OCI layout, with its size checked.
    borrowing func blob(_ descriptor: OCIDescriptor) throws(StoreError) -> FileRange {
        guard let blob = try file(descriptor.blobPath) else {
            throw .imageInvalid(reason: "blob \(descriptor.digest) is missing")
        }
        if blob.size != descriptor.size {
            throw .imageInvalid(
                reason: "blob \(descriptor.digest) has \(blob.size) bytes, but \(descriptor.size) are announced")
        }
        return blob
    }

    /// A whole small blob, with its digest checked.
    borrowing func document(_ descriptor: OCIDescriptor) throws(StoreError) -> [UInt8] {
        let bytes = try blob(descriptor).readAll(limit: Self.maxDocument)
        let digest = ImageDigest(of: bytes)
        if digest != descriptor.digest { throw .wrongDigest(of: "blob", descriptor.digest, found: digest) }
        return bytes
    }

    borrowing func document(_ path: FilePath) throws(StoreError) -> [UInt8] {
        guard let file = try file(path) else { throw .imageInvalid(reason: "'\(path)' is missing") }
        return try file.readAll(limit: Self.maxDocument)
    }
}

extension StoreError {
    static func wrongDigest(of what: String, _ announced: ImageDigest, found: ImageDigest) -> StoreError {
        .imageInvalid(reason: "\(what) \(announced) has the digest \(found): it is damaged or was changed")
    }
}
