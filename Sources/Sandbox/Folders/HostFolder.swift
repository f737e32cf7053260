import Kernel
import Store

/// A folder of the host that changes are written to. Nothing done through it leads out of it: every path is resolved beneath
/// the open folder, through no symlink (openat2(2), RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS).
struct HostFolder: ~Copyable, Sendable {
    /// What is at a path.
    enum State: Sendable {
        case absent
        case present(FileStatus)
        /// A folder above it is something else now, as a symlink.
        case blocked

        var status: FileStatus? {
            if case .present(let status) = self { return status }
            return nil
        }
    }

    private static let rules: PathResolution = [.beneath, .noSymlinks, .noMagicLinks]
    /// Files get their places by renames, which do not lead from one mount to another.
    private static let innerRules = rules.union(.noMountPoints)

    /// Without symlinks, for messages too.
    let location: String
    let root: OwnedFD

    /// - Parameter location: absolute.
    /// - Throws: `permissionDenied` when a symlink has come into the path, so that it may lead to another folder.
    init(at location: String) throws(SandboxError) {
        self.location = location
        let path = FilePath(verbatim: location).components.reduce("" as FilePath) { $0.appending($1) }
        do throws(KernelError) {
            let host = try OwnedFD.open("/", [.pathOnly, .directory])
            root = try host.open(path.isEmpty ? "." : path, [.read, .directory], resolving: Self.rules)
        } catch {
            if error.errno == .tooManyLinks {
                let reason = "a symbolic link has come into the path since the folder was copied"
                throw .path(PathError(.permissionDenied(reason: reason), location))
            }
            throw SandboxError(error, path: location)
        }
    }

    func fullPath(_ path: FilePath) -> String { path.isEmpty ? location : "\(location)/\(path)" }

    /// Opens a folder below, or the folder itself for an empty path.
    func folder(_ path: FilePath) throws(KernelError) -> OwnedFD {
        try root.open(path.isEmpty ? "." : path, [.read, .directory], resolving: Self.innerRules)
    }

    /// Opens the folder that an entry is in.
    func parent(of path: FilePath) throws(KernelError) -> OwnedFD { try folder(path.parent) }

    func state(of path: FilePath) throws(SandboxError) -> State {
        do throws(KernelError) {
            return try parent(of: path).statusIfPresent(of: path.lastComponent).map { .present($0) } ?? .absent
        } catch {
            switch error.errno {
            case .noSuchFile: return .absent
            case .notDirectory, .tooManyLinks: return .blocked
            case .crossDevice:
                let reason = "another filesystem is mounted there or above; commit the rest with `paths`"
                throw .path(PathError(.permissionDenied(reason: reason), fullPath(path)))
            default: throw SandboxError(error, path: fullPath(path))
            }
        }
    }

    /// Whether what is at a path is the same as an entry of a sandbox: kind, permissions and content; of folders the kind only.
    func holds(_ entry: LayeredTree.Entry, at path: FilePath, _ status: FileStatus) throws(SandboxError) -> Bool {
        let other = entry.status
        if status.kind != other.kind { return false }
        return try atPath(fullPath(path)) { () throws(KernelError) in
            switch status.kind {
            case .directory: return true
            case .symlink:
                return try parent(of: path).readSymlink(path.lastComponent) == entry.symlinkTarget()
            case .regular:
                if status.size != other.size || status.permissions & 0o777 != other.permissions & 0o777 { return false }
                let file = try parent(of: path).open(path.lastComponent, [.read, .noFollow, .nonBlocking])
                return try Self.haveEqualContent(file, entry.open())
            default: return false
            }
        }
    }

    private static func haveEqualContent(
        _ one: borrowing OwnedFD, _ other: borrowing OwnedFD
    ) throws(KernelError) -> Bool {
        var reader = FileReader(bufferSize: 128 * 1024)
        var otherReader = FileReader(bufferSize: 128 * 1024)
        while true {
            let count = try reader.fill(from: one)
            if try otherReader.fill(from: other) != count || reader.content != otherReader.content { return false }
            if count == 0 { return true }
        }
    }
}

extension FilePath {
    /// Without the last name; empty for a single name.
    var parent: FilePath { components.dropLast().reduce("") { $0.appending($1) } }
}
