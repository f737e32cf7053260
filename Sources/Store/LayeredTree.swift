import Kernel

/// Reads one state of a sandbox's files by path, as its layers have them.
public struct LayeredTree: Sendable {
    /// What is at a path.
    public struct Entry: Sendable {
        private let folder: SharedDirectory
        private let name: FilePath
        public let status: FileStatus

        fileprivate init(_ name: FilePath, in folder: SharedDirectory) throws(KernelError) {
            self.folder = folder
            self.name = name
            status = try folder.descriptor.status(of: name)
        }

        /// A regular file, for reading.
        public func open() throws(KernelError) -> OwnedFD {
            try folder.descriptor.open(name, [.read, .noFollow, .nonBlocking])
        }

        public func symlinkTarget() throws(KernelError) -> FilePath { try folder.descriptor.readSymlink(name) }

        /// Copies a file or symlink to a name that must not exist yet.
        public func copy(
            to newName: FilePath, in target: borrowing OwnedFD, _ options: TreeCopyOptions
        ) throws(StoreError) {
            _ = try TreeCopier.copy(name, in: folder.descriptor, to: newName, in: target, options)
        }
    }

    private let stack: LayerStack

    init(_ stack: LayerStack) { self.stack = stack }

    /// - Parameter path: from the root, without symlinks.
    /// - Returns: nil when there is nothing.
    public func entry(at path: FilePath) throws(StoreError) -> Entry? {
        try onDisk { () throws(KernelError) in
            var names = path.components
            guard let last = names.popLast(), let folder = try self.folder(names),
                case .present(let part, _)? = try folder.entry(last)
            else { return nil }
            return try Entry(last, in: folder.folder(ofPart: part))
        }
    }

    /// What a folder holds; nothing when it is no folder.
    public func entries(in path: FilePath) throws(StoreError) -> [(name: FilePath, kind: FileKind)] {
        try onDisk { () throws(KernelError) in
            guard let folder = try self.folder(path.components) else { return [] }
            return try folder.entries().compactMap { name, entry in
                if case .present(_, let kind) = entry { return (name, kind) }
                return nil
            }
        }
    }

    private func folder(_ names: [FilePath]) throws(KernelError) -> MergedDirectory? {
        var folder = try stack.root()
        var reached: FilePath = ""
        for name in names {
            guard case .present(let part, .directory)? = try folder.entry(name) else { return nil }
            reached = reached.appending(name)
            folder = try stack.child(name, of: folder, from: part, path: reached)
        }
        return folder
    }
}

extension Store {
    /// Opens one state of a sandbox's files for reading.
    ///
    /// - Parameter base: as in `diff`.
    public func tree(of side: DiffSide, base: [BaseFolder] = []) throws(StoreError) -> LayeredTree {
        LayeredTree(try self.stack(side, base: base))
    }
}
