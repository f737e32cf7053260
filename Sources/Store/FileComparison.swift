import Kernel

/// Whether two entries of the same kind are the same to a program that reads them.
enum FileComparison {
    /// Compares mode, owner, size, time of change, extended attributes and, when all of these agree, the content. Of
    /// directories the size and the time do not count.
    static func differs(
        _ name: FilePath, _ before: SharedDirectory, _ after: SharedDirectory
    ) throws(KernelError) -> Bool {
        let old = try before.descriptor.status(of: name)
        let new = try after.descriptor.status(of: name)
        if old.identity == new.identity { return false }
        if old.permissions != new.permissions || old.owner != new.owner || old.group != new.group { return true }
        if old.kind == .directory {
            return try attributes(of: name, before) != attributes(of: name, after)
        }
        if old.size != new.size || old.modified != new.modified { return true }
        switch old.kind {
        case .regular:
            if try attributes(of: name, before) != attributes(of: name, after) { return true }
            return try contentDiffers(name, before, after)
        case .symlink: return try before.descriptor.readSymlink(name) != after.descriptor.readSymlink(name)
        default: return old.representedDevice != new.representedDevice
        }
    }

    private static func attributes(
        of name: FilePath, _ folder: SharedDirectory
    ) throws(KernelError) -> [FilePath: [UInt8]] {
        try attributes(of: folder.descriptor.open(name, [.read, .noFollow, .nonBlocking]))
    }

    /// The extended attributes that a program sees, without overlayfs's own.
    static func attributes(of file: borrowing OwnedFD) throws(KernelError) -> [FilePath: [UInt8]] {
        var attributes: [FilePath: [UInt8]] = [:]
        for attribute in try file.extendedAttributeNames() where !OverlayAttribute.isMarker(attribute) {
            attributes[attribute] = try file.extendedAttribute(attribute)
        }
        return attributes
    }

    private static func contentDiffers(
        _ name: FilePath, _ before: SharedDirectory, _ after: SharedDirectory
    ) throws(KernelError) -> Bool {
        let old = try before.descriptor.open(name, [.read, .noFollow, .nonBlocking])
        let new = try after.descriptor.open(name, [.read, .noFollow, .nonBlocking])
        var oldReader = FileReader(bufferSize: 128 * 1024)
        var newReader = FileReader(bufferSize: 128 * 1024)
        while true {
            let count = try oldReader.fill(from: old)
            if try newReader.fill(from: new) != count { return true }
            if count == 0 { return false }
            if oldReader.content != newReader.content { return true }
        }
    }
}
