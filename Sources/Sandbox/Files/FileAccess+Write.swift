import Kernel

extension FileAccess {
    /// Permissions of a new file for which the caller asks none.
    private static let defaultPermissions: UInt32 = 0o644

    /// Writes a whole file, or adds to its end. A symlink at the path's end is followed, and stays.
    ///
    /// A whole file appears at once: who reads meanwhile sees the old content or the new. It is a new file, so other hard
    /// links keep the old content, and extended attributes are not taken over; owner and permissions are. An append that
    /// fails may have added its first bytes.
    ///
    /// - Parameters:
    ///   - permissions: nil for those of the present file, 0644 where there is none.
    ///   - createParents: whether missing folders are made. They stay when the writing itself fails.
    /// - Returns: the file's size afterwards, in bytes.
    /// - Throws: `isDirectory`; `permissionDenied` onto what is neither a file nor a folder.
    public func write(
        _ bytes: [UInt8], to path: String, permissions: UInt32? = nil, append: Bool = false, createParents: Bool = false
    ) throws(SandboxError) -> Int64 {
        guard let named = NamedPath(try filePath(path)) else { throw .path(PathError(.isDirectory, path)) }
        while true {
            let place = try atPath(path) { () throws(KernelError) in
                try root.locate(named, following: true, makingParents: createParents)
            }
            try place.status?.kind.requireRegular(path)
            if append, place.status != nil { return try self.append(bytes, to: place, permissions, path) }
            do throws(SandboxError) {
                return try replace(place, by: bytes, permissions, ifTaken: append ? .refuse : .replace, path)
            } catch {
                // What is to be added to was made by somebody else just now.
                guard append, case .path(let reason) = error, reason.kind == .exists else { throw error }
            }
        }
    }

    private func replace(
        _ place: borrowing EntryPlace, by bytes: [UInt8], _ permissions: UInt32?, ifTaken rule: OwnedFD.RenameRule,
        _ path: String
    ) throws(SandboxError) -> Int64 {
        let present = place.status
        return try TemporaryEntry.publish(in: place.folder, as: place.name, ifTaken: rule, path: path) {
            (temporary) throws(SandboxError) in
            try atPath(path) { () throws(KernelError) in
                let file = try place.folder.open(temporary, [.write, .create, .exclusive], permissions: 0o600)
                try file.writeAll(bytes)
                let made = try file.status()
                if let present, present.owner != made.owner || present.group != made.group {
                    try file.setOwner(present.owner, group: present.group)
                }
                // After the change of owner, which takes set-id bits away.
                try file.setPermissions(permissions ?? present?.permissions ?? Self.defaultPermissions)
                return Int64(bytes.count)
            }
        }
    }

    private func append(
        _ bytes: [UInt8], to place: borrowing EntryPlace, _ permissions: UInt32?, _ path: String
    ) throws(SandboxError) -> Int64 {
        // Looked at anew, because something else may have been put there since.
        let found = try atPath(path) { () throws(KernelError) in
            try place.folder.open(place.name, [.pathOnly, .noFollow])
        }
        try atPath(path) { () throws(KernelError) in try found.status().kind }.requireRegular(path)
        return try atPath(path) { () throws(KernelError) in
            let file = try found.reopen([.write, .append, .nonBlocking])
            try file.writeAll(bytes)
            if let permissions { try file.setPermissions(permissions) }
            return try file.status().size
        }
    }
}
