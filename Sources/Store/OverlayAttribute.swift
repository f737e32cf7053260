import Kernel

/// The extended attributes by which overlayfs, mounted with `userxattr`, marks entries of its layers (kernel:
/// Documentation/filesystems/overlayfs.rst).
enum OverlayAttribute {
    /// On a directory: `y` hides what lies below it, `x` says that it may hold whiteouts that are regular files.
    static let opaque: FilePath = "user.overlay.opaque"
    /// On an empty regular file in a directory marked `x`: it is a whiteout.
    static let whiteout: FilePath = "user.overlay.whiteout"
    /// On what was copied up: a handle of the original, or nothing when that is not known.
    static let origin: FilePath = "user.overlay.origin"

    static let hidesLower = [UInt8(ascii: "y")]
    static let mayHoldWhiteoutFiles = [UInt8(ascii: "x")]

    private static let prefix: FilePath = "user.overlay."
    /// What a program in a sandbox sets as `user.overlay.…` reaches the layer under this longer name, so that it
    /// never counts as a marker (kernel: fs/overlayfs/xattrs.c).
    private static let escapedPrefix: FilePath = "user.overlay.overlay."

    /// Whether the attribute belongs to overlayfs and not to the file.
    static func isMarker(_ name: FilePath) -> Bool {
        name.hasPrefix(prefix) && !name.hasPrefix(escapedPrefix)
    }

    /// The name under which an attribute of a file has to lie in a layer, so that the mounted overlay shows `name`.
    static func escaped(_ name: FilePath) -> FilePath {
        guard name.hasPrefix(prefix) else { return name }
        return FilePath(bytes: escapedPrefix.bytes + name.bytes.dropFirst(prefix.bytes.count)) ?? name
    }

    /// The name under which the mounted overlay shows an attribute that lies in a layer as `name`.
    static func shown(_ name: FilePath) -> FilePath {
        guard name.hasPrefix(escapedPrefix) else { return name }
        return FilePath(bytes: prefix.bytes + name.bytes.dropFirst(escapedPrefix.bytes.count)) ?? name
    }
}
