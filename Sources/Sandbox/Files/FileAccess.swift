import Kernel
import Store

/// Work on the files of a running sandbox, from outside of its processes.
///
/// No path, symlink or race leads out of the sandbox; fifos, sockets and devices are never opened, so nothing blocks; and
/// nothing is changed in the kernel's own filesystems. Every method may be called on any thread, and blocks for as long as
/// the disk takes. Unless a method says otherwise a failure leaves everything as it was.
///
/// Errors of all methods: `path`; `store(.noSpace)`; `kernel` for what a person cannot do anything about.
public struct FileAccess: ~Copyable, Sendable {
    let root: PathRoot

    /// - Parameter root: any folder, open by path only; paths do not leave it.
    init(root: consuming OwnedFD) throws(KernelError) { self.root = try PathRoot(root) }

    /// What the system knows of a file.
    public struct Entry: Sendable, Equatable {
        /// The last name of the path; in a recursive listing the path relative to the listed folder. Bytes that are no
        /// UTF-8 come out as U+FFFD.
        public let name: String
        public let kind: FileKind
        /// In bytes.
        public let size: Int64
        /// With set-id and sticky bits, without the type.
        public let permissions: UInt32
        /// Ids inside the sandbox.
        public let owner: UInt32
        public let group: UInt32
        public let modified: FileTime
        /// Where a symlink points to.
        public let target: String?

        init(_ name: FilePath, _ status: FileStatus, target: FilePath?) {
            self.name = name.description
            kind = status.kind
            size = status.size
            permissions = status.permissions
            owner = status.owner
            group = status.group
            modified = status.modified
            self.target = target?.description
        }
    }

    /// Describes what is at a path; a symlink at its end is described itself.
    public func entry(at path: String) throws(SandboxError) -> Entry {
        let name = try filePath(path)
        return try atPath(path) { () throws(KernelError) in
            let file = try root.open(name, [.pathOnly, .noFollow])
            let status = try file.status()
            // An empty path stands for the link that the descriptor was opened for (readlink(2)).
            let target = status.kind == .symlink ? try file.readSymlink("") : nil
            return Entry(name.components.last ?? "/", status, target: target)
        }
    }

    /// The path for system calls.
    /// - Throws: `notFound` for one with a NUL, which nothing can be called.
    func filePath(_ path: String) throws(SandboxError) -> FilePath {
        guard let name = FilePath(path), !name.isEmpty else { throw .path(PathError(.notFound, path)) }
        return name
    }

    /// The path of something that is to be changed.
    /// - Throws: `permissionDenied` for the root folder.
    func namedPath(_ path: String) throws(SandboxError) -> NamedPath {
        guard let named = NamedPath(try filePath(path)) else {
            let reason = "the root folder, and what ends in `..`, can be neither replaced, moved nor removed"
            throw .path(PathError(.permissionDenied(reason: reason), path))
        }
        return named
    }
}

extension Sandbox {
    /// Access to the sandbox's present files. It is for one piece of work: a rollback puts others in their place.
    ///
    /// - Throws: `destroyed`, `failed`, `wrongState` unless it runs.
    public func files() throws(SandboxError) -> FileAccess {
        let incarnation = try running()
        return try onKernel { () throws(KernelError) in try FileAccess(root: incarnation.root()) }
    }
}
