import Kernel

/// What an import could not keep as the archive has it.
public struct ImportLosses: Sendable, Equatable {
    /// Entries whose owner is beyond the ids that sandboxes have; they belong to root now.
    public var foldedOwners = 0
    /// Device nodes that every sandbox has of its own, as `dev/null`.
    public var droppedDevices = 0
    /// Extended attributes that only the host's kernel may set, as labels of security modules.
    public var droppedAttributes = 0

    public init() {}

    /// What was lost, for people; nil when nothing was.
    public var sentence: String? {
        let parts = [
            foldedOwners > 0 ? "\(foldedOwners) entries of users that sandboxes do not have here belong to root" : nil,
            droppedDevices > 0 ? "\(droppedDevices) device nodes were left out" : nil,
            droppedAttributes > 0 ? "\(droppedAttributes) extended attributes were left out" : nil,
        ].compactMap(\.self)
        return parts.isEmpty ? nil : parts.joined(separator: ", ")
    }

    static func += (sum: inout ImportLosses, more: ImportLosses) {
        sum.foldedOwners += more.foldedOwners
        sum.droppedDevices += more.droppedDevices
        sum.droppedAttributes += more.droppedAttributes
    }
}

// Owners, attributes and times, and how failures are told.
extension LayerUnpacker {
    /// Gives an open file or directory what the archive says.
    ///
    /// The order matters: a change of owner takes set-id bits and file capabilities away, and any change sets times.
    mutating func applyMetadata(_ entry: TarEntry, to file: borrowing OwnedFD) throws(StoreError) {
        let isOwn = try setOwner(entry) { (owner, group) throws(KernelError) in
            try file.setOwner(owner, group: group)
        }
        for attribute in entry.attributes {
            guard attribute.name.hasPrefix("user.") || attribute.name == "security.capability" else {
                losses.droppedAttributes += 1
                continue
            }
            // An attribute that looks like a marker of overlayfs must not become one.
            let name = OverlayAttribute.escaped(attribute.name)
            try placing(entry) { () throws(KernelError) in try file.setExtendedAttribute(name, attribute.value) }
        }
        // A program that was to run as a user who is not here must not run as root instead, for users who are.
        let permissions = isOwn || options.idsPerSandbox == 1 ? entry.permissions : entry.permissions & 0o1777
        try placing(entry) { () throws(KernelError) in
            try file.setPermissions(permissions)
            try file.setTimes(accessed: entry.modified, modified: entry.modified)
        }
    }

    /// Gives a symlink or fifo what the archive says.
    mutating func applyMetadata(
        _ entry: TarEntry, toNode name: FilePath, in parent: SharedDirectory
    ) throws(StoreError) {
        _ = try setOwner(entry) { (owner, group) throws(KernelError) in
            try parent.descriptor.setOwner(of: name, owner: owner, group: group)
        }
        try placing(entry) { () throws(KernelError) in
            try parent.descriptor.setTimes(of: name, accessed: entry.modified, modified: entry.modified)
        }
    }

    /// - Returns: false when root got what belongs to a user or group that sandboxes do not have.
    private mutating func setOwner(
        _ entry: TarEntry, _ change: (UInt32, UInt32) throws(KernelError) -> Void
    ) throws(StoreError) -> Bool {
        let owner = entry.owner < options.idsPerSandbox ? entry.owner : 0
        let group = entry.group < options.idsPerSandbox ? entry.group : 0
        let isOwn = (owner, group) == (entry.owner, entry.group)
        if !isOwn { losses.foldedOwners += 1 }
        // What is made here belongs to root already, but in a folder from a layer beneath it may take that folder's group.
        if owner != 0 || group != 0 || role == .onTop {
            try placing(entry) { () throws(KernelError) in try change(owner, group) }
        }
        return isOwn
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
