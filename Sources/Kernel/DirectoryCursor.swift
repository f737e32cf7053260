/// A place in a tree of directories that moves down and up with one descriptor, however deep the tree is.
///
/// Paths play no part, so their length limit does not either. Going up takes `..` and checks that it leads to where
/// the cursor came from: a tree that others rename meanwhile is noticed and never left.
public struct DirectoryCursor: ~Copyable {
    /// The directory that the cursor is in.
    public private(set) var current: OwnedFD
    private var ancestors: [FileIdentity] = []

    /// - Parameter root: a directory, open for reading or by path only; the cursor opens it anew.
    public init(at root: borrowing OwnedFD) throws(KernelError) {
        current = try root.open(".", [.read, .directory])
    }

    /// How many directories lie between the root and the current one; 0 at the root.
    public var depth: Int { ancestors.count }

    /// Goes into a subdirectory; a symlink is refused with ENOTDIR. On failure the cursor stays where it is.
    public mutating func descend(into name: FilePath) throws(KernelError) {
        let child = try current.openDirectory(name)
        ancestors.append(try current.status().identity)
        current = child
    }

    /// Goes back to the parent; the root has none, there it must not be called.
    /// - Throws: ESTALE when the directory was moved elsewhere since the cursor went into it.
    public mutating func ascend() throws(KernelError) {
        let parent = try current.open("..", [.read, .directory])
        guard try parent.status().identity == ancestors.removeLast() else {
            throw KernelError("openat", "..", errno: .staleHandle)
        }
        current = parent
    }
}
