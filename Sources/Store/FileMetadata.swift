import Kernel

/// Everything about a file but its content and its names, as a copy gets it.
struct FileMetadata: Sendable {
    private let owner: UInt32
    private let group: UInt32
    private let permissions: UInt32
    private let accessed: FileTime
    private let modified: FileTime
    private let attributes: [(name: FilePath, value: [UInt8])]
    private let needsAllAttributes: Bool

    /// Of a symlink or node, which carry no extended attributes that a copy could keep.
    init(_ status: FileStatus, _ options: TreeCopyOptions, attributes: [(name: FilePath, value: [UInt8])] = []) {
        switch options.ownership {
        case .keep:
            (owner, group) = (status.owner, status.group)
            permissions = status.permissions
        case .all(let owner, let group):
            (self.owner, self.group) = (owner, group)
            permissions = status.permissions & 0o1777
        }
        accessed = status.accessed
        modified = status.modified
        self.attributes = attributes
        needsAllAttributes = options.attributes == .exact
    }

    /// Of an open regular file or directory.
    init(
        of file: borrowing OwnedFD, _ status: FileStatus, _ options: TreeCopyOptions
    ) throws(KernelError) {
        var attributes: [(name: FilePath, value: [UInt8])] = []
        for name in try file.extendedAttributeNames() where Self.isCopied(name, options.attributes) {
            if let value = try file.extendedAttribute(name) { attributes.append((name, value)) }
        }
        self.init(status, options, attributes: attributes)
    }

    init(of file: borrowing OwnedFD, _ options: TreeCopyOptions) throws(KernelError) {
        try self.init(of: file, file.status(), options)
    }

    /// Of a directory in a layer, for a layer that stands for it and others: overlayfs's markers are made anew.
    init(ofLayered directory: borrowing OwnedFD, isOpaque: Bool) throws(KernelError) {
        let own = try FileMetadata(of: directory, TreeCopyOptions())
        (owner, group, permissions) = (own.owner, own.group, own.permissions)
        (accessed, modified) = (own.accessed, own.modified)
        let marks = isOpaque ? [(name: OverlayAttribute.opaque, value: OverlayAttribute.hidesLower)] : []
        attributes = own.attributes.filter { !OverlayAttribute.isMarker($0.name) } + marks
        needsAllAttributes = true
    }

    private static func isCopied(_ name: FilePath, _ wanted: CopyAttributes) -> Bool {
        switch wanted {
        case .user: name.hasPrefix("user.")
        // The labels of security modules are the kernel's to give to the new file, file capabilities are the file's.
        case .exact: !name.hasPrefix("security.") || name == "security.capability"
        }
    }

    /// Gives it all to an open regular file or directory.
    ///
    /// The order matters: a change of owner takes set-id bits and file capabilities away, and any change sets times.
    func apply(to file: borrowing OwnedFD) throws(KernelError) {
        let present = try file.status()
        if present.owner != owner || present.group != group { try file.setOwner(owner, group: group) }
        for attribute in attributes { try set(attribute, on: file) }
        try file.setPermissions(permissions)
        try file.setTimes(accessed: accessed, modified: modified)
    }

    /// As `apply`, to what may have had other extended attributes before.
    func replace(at file: borrowing OwnedFD) throws(KernelError) {
        let wanted: CopyAttributes = needsAllAttributes ? .exact : .user
        for name in try file.extendedAttributeNames()
        where Self.isCopied(name, wanted) && !attributes.contains(where: { $0.name == name }) {
            try file.removeExtendedAttribute(name)
        }
        try apply(to: file)
    }

    private func set(_ attribute: (name: FilePath, value: [UInt8]), on file: borrowing OwnedFD) throws(KernelError) {
        do throws(KernelError) {
            try file.setExtendedAttribute(attribute.name, attribute.value)
        } catch {
            if needsAllAttributes || error.errno != .notSupported { throw error }
        }
    }

    /// Gives it to a symlink or node that was just made.
    func apply(
        toNode name: FilePath, in folder: borrowing OwnedFD, isSymlink: Bool
    ) throws(KernelError) {
        let present = try folder.status(of: name)
        if present.owner != owner || present.group != group {
            try folder.setOwner(of: name, owner: owner, group: group)
        }
        // A symlink has no permissions; mknod's were cut by the umask.
        if !isSymlink, try folder.status(of: name).permissions != permissions {
            try folder.setPermissions(of: name, permissions)
        }
        try folder.setTimes(of: name, accessed: accessed, modified: modified)
    }
}
