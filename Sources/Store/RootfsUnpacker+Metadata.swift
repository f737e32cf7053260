import Kernel

/// What an import could not keep as the archive has it.
public struct ImportLosses: Sendable, Equatable {
    /// Entries whose owner the user namespace does not know; they belong to root now.
    public var foldedOwners = 0
    /// Device nodes that every sandbox has of its own, as `dev/null`.
    public var droppedDevices = 0
    /// Extended attributes that only the host's kernel may set, as labels of security modules.
    public var droppedAttributes = 0

    public init() {}
}

// Owners, attributes and times, and how failures are told.
extension RootfsUnpacker {
    /// Gives an open file or directory what the archive says.
    ///
    /// The order matters: a change of owner takes set-id bits and file capabilities away, and any change sets times.
    mutating func applyMetadata(_ entry: TarEntry, to file: borrowing OwnedFD) throws(StoreError) {
        try setOwner(entry) { (owner, group) throws(KernelError) in try file.setOwner(owner, group: group) }
        for attribute in entry.attributes {
            guard attribute.name.hasPrefix("user.") || attribute.name == "security.capability" else {
                losses.droppedAttributes += 1
                continue
            }
            // An attribute that looks like a marker of overlayfs must not become one.
            let name = OverlayAttribute.escaped(attribute.name)
            try placing(entry) { () throws(KernelError) in try file.setExtendedAttribute(name, attribute.value) }
        }
        try placing(entry) { () throws(KernelError) in
            try file.setPermissions(entry.permissions)
            try file.setTimes(accessed: entry.modified, modified: entry.modified)
        }
    }

    /// Gives a symlink or fifo what the archive says.
    mutating func applyMetadata(
        _ entry: TarEntry, toNode name: FilePath, in parent: SharedDirectory
    ) throws(StoreError) {
        try setOwner(entry) { (owner, group) throws(KernelError) in
            try parent.descriptor.setOwner(of: name, owner: owner, group: group)
        }
        try placing(entry) { () throws(KernelError) in
            try parent.descriptor.setTimes(of: name, accessed: entry.modified, modified: entry.modified)
        }
    }

    private mutating func setOwner(
        _ entry: TarEntry, _ change: (UInt32, UInt32) throws(KernelError) -> Void
    ) throws(StoreError) {
        do throws(KernelError) {
            try change(entry.owner, entry.group)
        } catch {
            // EINVAL: the id is not mapped in this user namespace (chown(2)).
            guard error.errno == .invalid else { throw explain(error, entry) }
            losses.foldedOwners += 1
            try placing(entry) { () throws(KernelError) in try change(0, 0) }
        }
    }

    /// Runs filesystem calls for an entry and tells their failure with its name.
    func placing<Result: ~Copyable>(
        _ entry: TarEntry, _ body: () throws(KernelError) -> Result
    ) throws(StoreError) -> Result {
        do throws(KernelError) {
            return try body()
        } catch {
            throw explain(error, entry)
        }
    }

    func explain(_ error: KernelError, _ entry: TarEntry) -> StoreError {
        switch error.errno {
        case .crossDevice, .tooManyLinks: refusal(entry, "leads out of the image through a symlink")
        case .notDirectory: refusal(entry, "lies below something that is no folder")
        case .nameTooLong: refusal(entry, "has a name that is too long")
        default: StoreError(KernelError(error.call, entry.path.description, errno: error.errno))
        }
    }

    func refusal(_ entry: TarEntry, _ reason: String) -> StoreError {
        .imageInvalid(reason: "entry '\(entry.path)' \(reason)")
    }
}
