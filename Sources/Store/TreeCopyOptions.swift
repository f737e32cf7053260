import Kernel

/// Who owns what a copy makes.
public enum CopyOwnership: Sendable {
    /// Owner and group as in the source. An id that the user namespace does not know fails the copy.
    case keep
    /// One owner for everything. Set-user-id and set-group-id bits are dropped: they would lend the rights of an owner
    /// who never gave them.
    case all(owner: UInt32, group: UInt32)
}

/// Which extended attributes a copy takes along.
public enum CopyAttributes: Sendable {
    /// All that belong to the file, overlayfs's markers included; a target that cannot keep them fails the copy.
    case exact
    /// Those of the `user.` namespace, where the target's filesystem has such a thing: for copies between a sandbox and
    /// a folder of the host.
    case user
}

/// How `TreeCopier` copies.
public struct TreeCopyOptions: Sendable {
    public var ownership: CopyOwnership
    public var attributes: CopyAttributes
    /// Folders of the source that are made but not filled, as mount points of kernel filesystems.
    public var unfilled: Set<FileIdentity>
    /// What of the source is left out.
    public var exclude: IgnoreRules
    /// Asked before each entry and within large files; true ends the copy with `StoreError.cancelled`.
    public var isCancelled: @Sendable () -> Bool

    public init(
        ownership: CopyOwnership = .keep, attributes: CopyAttributes = .exact, unfilled: Set<FileIdentity> = [],
        exclude: IgnoreRules = IgnoreRules([]),
        isCancelled: @escaping @Sendable () -> Bool = { false }
    ) {
        self.ownership = ownership
        self.attributes = attributes
        self.unfilled = unfilled
        self.exclude = exclude
        self.isCancelled = isCancelled
    }
}

/// What a copy made.
public struct TreeCopySummary: Sendable, Equatable {
    /// Everything but folders.
    public var files: Int64 = 0
    /// The sizes of the regular files, in bytes; holes count.
    public var bytes: Int64 = 0
}
