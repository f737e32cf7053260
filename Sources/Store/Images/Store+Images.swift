import Kernel

/// What an image is called by people, and which image it is at present.
public struct ImageReference: Sendable, Hashable {
    public let reference: String
    public let digest: ImageDigest
}

extension Store {
    /// What the image is called that `name` stands for, and which it is.
    /// - Throws: `imageNotFound`, `storeCorrupt`, `newerVersion`.
    public func reference(named name: String) throws(StoreError) -> ImageReference { try find(name).reference }

    /// The image that `reference` stands for.
    /// - Throws: `imageNotFound`, `storeCorrupt`, `newerVersion`.
    public func image(named reference: String) throws(StoreError) -> ImageRecord {
        do throws(StoreError) {
            return try image(find(reference).reference.digest)
        } catch {
            guard case .imageNotFound = error else { throw error }
            throw .imageNotFound(reference)
        }
    }

    /// - Throws: `imageNotFound`, `storeCorrupt`, `newerVersion`.
    public func image(_ digest: ImageDigest) throws(StoreError) -> ImageRecord {
        try Manifest.read(
            FilePath(verbatim: "\(digest.path)/\(StoreLayout.manifest)"), in: images, of: "Image \(digest)",
            ifMissing: .imageNotFound(digest.rawValue),
            ifCorrupt: { .storeCorrupt(reason: "the manifest of image \(digest) is damaged: \($0)") },
            ImageRecord.init(json:))
    }

    /// All references, sorted; damaged ones are told apart by their file names.
    public func listReferences() throws(StoreError) -> Listing<ImageReference> {
        var listing = Listing<ImageReference>()
        for entry in try onDisk({ () throws(KernelError) in try references.entries() }) {
            do throws(StoreError) {
                listing.records.append(try reference(entry.name))
            } catch {
                switch error {
                case .imageNotFound: continue
                case .storeCorrupt, .newerVersion: listing.damaged.append((entry.name.description, error))
                default: throw error
                }
            }
        }
        listing.records.sort { $0.reference < $1.reference }
        return listing
    }

    /// Removes a reference; the image and its layers go with the next `collectGarbage` when nothing else names them.
    /// - Throws: `imageNotFound`; `imageInUse` while a sandbox or snapshot stands on the image and no other reference
    ///   names it.
    public func removeImage(named reference: String) throws(StoreError) {
        // Exclusive, so that no sandbox is made on the image between the check and the removal.
        let lock = try StoreLock.take(.exclusive, in: root, storePath: path)
        let (file, found) = try find(reference)
        let isOnlyName = try listReferences().records.count { $0.digest == found.digest } == 1
        if isOnlyName, let user = try userOfImage(found.digest) { throw .imageInUse(reference, by: user) }
        try onDisk { () throws(KernelError) in try references.removeFile(file) }
        lock.release()
    }

    /// A snapshot or living sandbox that stands on the image.
    private func userOfImage(_ digest: ImageDigest) throws(StoreError) -> String? {
        if let snapshot = try listSnapshots().records.first(where: { $0.image.digest == digest }) {
            return "snapshot \(snapshot.id)"
        }
        for sandbox in try listSandboxes().records where sandbox.image.digest == digest {
            if try !isDead(sandbox) { return "sandbox \(sandbox.id)" }
        }
        return nil
    }

    /// Points a reference at an image, in one step. Call within `changing`.
    func setReference(_ name: String, to digest: ImageDigest) throws(StoreError) {
        let reference = ImageReference(reference: name, digest: digest)
        // Written beside the folder: what lies in it is a reference.
        let temporary = FilePath(verbatim: "reference.\(randomHex16())")
        try onDisk { () throws(KernelError) in
            try Manifest.write(reference.json, as: temporary, in: staging)
            try staging.rename(temporary, to: Self.fileName(of: name), in: references)
        }
    }

    func storedImages() throws(StoreError) -> [ImageDigest] {
        try onDisk { () throws(KernelError) in
            try images.entries().compactMap { ImageDigest(folderName: $0.name.description) }
        }
    }

    /// The file of a reference, in the order of `possibleFiles`, and what is in it.
    private func find(_ name: String) throws(StoreError) -> (file: FilePath, reference: ImageReference) {
        for file in Self.possibleFiles(of: name) {
            do throws(StoreError) {
                return (file, try reference(file))
            } catch {
                guard case .imageNotFound = error else { throw error }
            }
        }
        throw .imageNotFound(name)
    }

    private func reference(_ file: FilePath) throws(StoreError) -> ImageReference {
        try Manifest.read(
            file, in: references, of: "Image reference \(file)", ifMissing: .imageNotFound(file.description),
            ifCorrupt: { .storeCorrupt(reason: "the image reference \(file) is damaged: \($0)") },
            ImageReference.init(json:))
    }

    /// References that mean the same have one file. The second one is that of version 0.1, which took them literally.
    private static func possibleFiles(of reference: String) -> [FilePath] {
        [fileName(of: reference), literalFileName(of: reference)]
    }

    private static func fileName(of reference: String) -> FilePath {
        literalFileName(of: ImageName(reference).familiar)
    }

    /// Any reference as a file name: letters, digits, `-` and `_` stand for themselves, other bytes are `%` and two
    /// digits; one that would be too long is named by its checksum, the reference itself is in the file.
    private static func literalFileName(of reference: String) -> FilePath {
        var name = ""
        for byte in reference.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                name.unicodeScalars.append(Unicode.Scalar(byte))
            default: name += "%" + hex(UInt64(byte)).suffix(2)
            }
        }
        return FilePath(verbatim: name.utf8.count > 200 ? "%long-\(hex(fnv1a64(reference.utf8)))" : name)
    }
}
