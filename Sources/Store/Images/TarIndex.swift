import Kernel

/// The members of an uncompressed tar archive, by name, so that each is read at its place in the file: an archive of an image
/// is never unpacked as a whole, and its layers are read by several threads.
struct TarIndex: Sendable {
    private enum Member: Sendable {
        case file(FileRange)
        case link(target: FilePath, isHard: Bool)
    }

    private let members: [FilePath: Member]

    /// As Linux does for a path (path_resolution(7)).
    private static let maxLinks = 40

    /// Reads the headers of all members.
    ///
    /// - Parameters:
    ///   - accept: asked for the first name of each member's path; false stops the reading.
    /// - Returns: nil when `accept` stopped it, or when the file is no plain tar archive.
    /// - Throws: `imageInvalid` when the archive was cut off or holds too many members.
    init?(
        _ file: SharedFile, limits: ImageLimits, accepting accept: (FilePath) -> Bool
    ) throws(StoreError) {
        var members: [FilePath: Member] = [:]
        var headers = TarHeaders(file, size: try onDisk { () throws(KernelError) in try file.descriptor.status().size })
        while let header = try headers.next() {
            let names = header.path.components
            guard let first = names.first else { continue }
            if !accept(first) { return nil }
            if names.contains("..") { throw .imageInvalid(reason: "member '\(header.path)' climbs with '..'") }
            if members.count >= limits.maxMembers {
                throw .imageInvalid(reason: "the archive has more than the limit of \(limits.maxMembers) members")
            }
            let path = names.reduce("" as FilePath) { $0.appending($1) }
            switch header.kind {
            case .file:
                members[path] = .file(
                    FileRange(file: file, offset: header.dataOffset, size: header.size, name: "'\(path)'"))
            case .symlink: members[path] = .link(target: header.linkTarget, isHard: false)
            case .hardLink: members[path] = .link(target: header.linkTarget, isHard: true)
            case .other: continue
            }
        }
        switch headers.end {
        case .proper: break
        case .notTar: return nil
        case .cutOff: throw .imageInvalid(reason: "the archive was cut off")
        }
        self.members = members
    }

    /// The content of a member; links to others are followed. Nil when there is none of that name.
    func member(_ name: FilePath) throws(StoreError) -> FileRange? {
        var path = name
        for _ in 0..<Self.maxLinks {
            switch members[path] {
            case nil: return nil
            case .file(let range): return range
            case .link(let target, let isHard): path = try follow(path, target, isHard: isHard)
            }
        }
        throw .imageInvalid(reason: "member '\(name)' is a link that leads in a circle")
    }

    private func follow(_ link: FilePath, _ target: FilePath, isHard: Bool) throws(StoreError) -> FilePath {
        if target.isAbsolute {
            throw .imageInvalid(reason: "member '\(link)' is a link to the absolute path '\(target)'")
        }
        // A hard link's target counts from the top of the archive, a symlink's from the folder that it lies in.
        var names = isHard ? [] : Array(link.components.dropLast())
        for name in target.components {
            if name != ".." {
                names.append(name)
            } else if names.popLast() == nil {
                throw .imageInvalid(reason: "member '\(link)' is a link that leads out of the archive")
            }
        }
        return names.reduce("") { $0.appending($1) }
    }
}
