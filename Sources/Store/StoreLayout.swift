import Kernel

/// The names at the top of a store, and how a store comes to be.
enum StoreLayout {
    static let version: FilePath = "version"
    static let lock: FilePath = "lock"
    static let engines: FilePath = "engines"
    static let images: FilePath = "images"
    static let references: FilePath = "images/refs"
    static let layers: FilePath = "layers"
    static let snapshots: FilePath = "snapshots"
    static let sandboxes: FilePath = "sandboxes"
    static let staging: FilePath = "staging"
    static let trash: FilePath = "trash"

    // Within an object's folder.
    static let manifest: FilePath = "manifest.json"
    static let sandboxManifest: FilePath = "sandbox.json"
    static let layerManifest: FilePath = "layer.json"
    static let content: FilePath = "content"
    static let runtime: FilePath = "runtime"
    static let upper: FilePath = "upper"
    static let work: FilePath = "work"

    private static let folders = [engines, images, references, layers, snapshots, sandboxes, staging, trash]
    private static let topNames: Set<FilePath> = [
        version, lock, engines, images, layers, snapshots, sandboxes, staging, trash,
    ]
    private static let temporaryVersionPrefix = "version."

    /// Opens the store's folder; missing folders on the way are made.
    static func openRoot(_ path: String) throws(StoreError) -> OwnedFD {
        guard let target = FilePath(path), target.isAbsolute else {
            throw .notAStore(path: path, found: "a path that is not absolute")
        }
        return try onDisk { () throws(KernelError) in
            var folder = try OwnedFD.open("/", [.read, .directory])
            for name in target.components {
                try makeIfMissing(name, in: folder)
                // Symlinks on the way to the store are the user's own business and followed.
                folder = try folder.open(name, [.read, .directory])
            }
            return folder
        }
    }

    private static func makeIfMissing(_ name: FilePath, in folder: borrowing OwnedFD) throws(KernelError) {
        // Asked first: mkdir of an existing name gives EROFS on a read-only filesystem and EACCES without permission.
        if try folder.statusIfPresent(of: name) == nil {
            try folder.makeDirectoryIfAbsent(name, permissions: 0o700)
        }
    }

    /// Checks the version of an existing store, or makes an empty folder a store.
    ///
    /// `version` is written last: a folder that lacks it but holds only a store's own names is one whose making was
    /// cut short, and is completed.
    static func prepare(_ root: borrowing OwnedFD, path: String) throws(StoreError) {
        if try hasSupportedVersion(root, path: path) { return }
        let entries = try readNames(root)
        for name in entries where !topNames.contains(name) && !name.description.hasPrefix(temporaryVersionPrefix) {
            throw .notAStore(path: path, found: name.description)
        }
        do throws(KernelError) {
            for folder in folders { try root.makeDirectoryIfAbsent(folder, permissions: 0o700) }
            _ = try root.open(lock, [.readWrite, .create], permissions: 0o600)
            let temporary = FilePath(verbatim: temporaryVersionPrefix + randomHex16())
            try root.open(temporary, [.write, .create, .exclusive], permissions: 0o600)
                .writeAll(Array("\(Store.formatVersion)\n".utf8))
            try root.rename(temporary, to: version)
        } catch {
            throw StoreError(error)
        }
    }

    private static func readNames(_ root: borrowing OwnedFD) throws(StoreError) -> [FilePath] {
        do throws(KernelError) {
            return try root.entries().map(\.name)
        } catch {
            throw StoreError(error)
        }
    }

    private static func hasSupportedVersion(_ root: borrowing OwnedFD, path: String) throws(StoreError) -> Bool {
        let content: [UInt8]
        do throws(KernelError) {
            content = try root.open(version, [.read]).readToEnd()
        } catch {
            if error.errno == .noSuchFile { return false }
            throw StoreError(error)
        }
        guard content.last == UInt8(ascii: "\n"),
            let number = Int64(String(decoding: content.dropLast(), as: UTF8.self)), number > 0
        else { throw .storeCorrupt(reason: "\(path)/version holds no version number") }
        if number > Store.formatVersion {
            throw .newerVersion(of: "The store \(path)", version: number, supported: Store.formatVersion)
        }
        return true
    }
}
