import Kernel

/// A file or folder on the host that appears, under its name, when it is complete.
struct ExportTarget: ~Copyable {
    private let folder: OwnedFD
    private let name: FilePath
    private let temporaryName: FilePath
    private let owner: (user: UInt32, group: UInt32)
    /// Where it is made: beside where it will be.
    let temporaryPath: String

    /// - Parameters:
    ///   - path: absolute.
    ///   - owner: who it shall belong to, by the ids of the engine's user namespace.
    /// - Throws: `kernel` with the path when its folder is missing, or there is something already.
    static func make(_ path: String, owner: (user: UInt32, group: UInt32)) throws(StoreError) -> ExportTarget {
        let parts = path.split(separator: "/")
        let parent = "/" + parts.dropLast().joined(separator: "/")
        let temporary = ".\(randomHex16()).part"
        return try onDisk { () throws(KernelError) in
            guard let last = parts.last else { throw KernelError("openat2", path, errno: .exists) }
            let name = FilePath(verbatim: String(last))
            do throws(KernelError) {
                let folder = try OwnedFD.open(FilePath(verbatim: parent), [.read, .directory])
                if try folder.statusIfPresent(of: name) != nil { throw KernelError("openat2", path, errno: .exists) }
                return ExportTarget(
                    folder: folder, name: name, temporaryName: FilePath(verbatim: temporary), owner: owner,
                    temporaryPath: (parent == "/" ? "" : parent) + "/" + temporary)
            } catch {
                throw KernelError(error.call, path, errno: error.errno)
            }
        }
    }

    private init(
        folder: consuming OwnedFD, name: FilePath, temporaryName: FilePath, owner: (user: UInt32, group: UInt32),
        temporaryPath: String
    ) {
        self.folder = folder
        self.name = name
        self.temporaryName = temporaryName
        self.owner = owner
        self.temporaryPath = temporaryPath
    }

    /// Makes the file, to be written.
    func makeFile() throws(StoreError) -> OwnedFD {
        try onDisk { () throws(KernelError) in
            try folder.open(temporaryName, [.write, .create, .exclusive], permissions: 0o644)
        }
    }

    /// Makes the folder.
    func makeFolder() throws(StoreError) -> OwnedFD {
        try onDisk { () throws(KernelError) in
            try folder.makeDirectory(temporaryName, permissions: 0o755)
            return try folder.openDirectory(temporaryName)
        }
    }

    /// Lets a file appear.
    /// - Returns: its size in bytes.
    func publishFile() throws(StoreError) -> Int64 {
        try onDisk { () throws(KernelError) in
            let file = try folder.open(temporaryName, .read)
            try file.setOwner(owner.user, group: owner.group)
            try file.synchronize()
            try publish()
            return try file.status().size
        }
    }

    /// Lets a folder appear whose files are on the disk.
    func publishFolder() throws(StoreError) {
        var gift = OwnerChange(owner: owner)
        try onDisk { () throws(KernelError) in
            let made = try folder.openDirectory(temporaryName)
            try TreeWalk.run(made, &gift)
            try made.setOwner(owner.user, group: owner.group)
            try publish()
        }
    }

    private func publish() throws(KernelError) {
        try folder.rename(temporaryName, to: name, in: folder, ifTaken: .refuse)
        try folder.synchronize()
    }

    /// Removes what was made.
    func discard() {
        // It may not have come to making anything; and of two failures the first one is told.
        _ = try? TreeRemover.remove(temporaryName, in: folder)
    }
}

/// Gives everything below a folder to someone.
private struct OwnerChange: TreeVisitor {
    let owner: (user: UInt32, group: UInt32)

    mutating func visit(
        _ name: FilePath, _ kind: FileKind, in folder: borrowing OwnedFD
    ) throws(KernelError) -> Bool {
        try folder.setOwner(of: name, owner: owner.user, group: owner.group)
        return kind == .directory
    }
}
