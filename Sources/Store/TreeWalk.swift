import Kernel

/// What happens on a walk through a tree of files.
public protocol TreeVisitor: ~Copyable {
    associatedtype Failure: Error

    /// An entry of the current directory.
    /// - Returns: whether to go into it, which must be a directory then.
    mutating func visit(_ name: FilePath, _ kind: FileKind, in folder: borrowing OwnedFD) throws(Failure) -> Bool

    /// The walk went into the directory `name`, which is `folder`, and has read nothing of it yet.
    mutating func entered(_ name: FilePath, _ folder: borrowing OwnedFD) throws(Failure)

    /// The walk is done with everything in the directory `name` and is back in its parent.
    mutating func left(_ name: FilePath, in parent: borrowing OwnedFD) throws(Failure)

    /// The failure to report when reading the tree fails.
    func failure(_ error: KernelError) -> Failure

    /// Whether a directory that is gone, or something else, when the walk gets to it is passed over instead of failing
    /// the walk: for trees in which others are at work.
    var passesOverVanished: Bool { get }

    /// Whether the entries of a directory come in the order of their names, for what shall come out the same each time; that
    /// costs the memory of a whole directory.
    var isOrdered: Bool { get }
}

extension TreeVisitor where Self: ~Copyable {
    public mutating func entered(_ name: FilePath, _ folder: borrowing OwnedFD) throws(Failure) {}
    public mutating func left(_ name: FilePath, in parent: borrowing OwnedFD) throws(Failure) {}
    public var passesOverVanished: Bool { false }
    public var isOrdered: Bool { false }
}

extension TreeVisitor where Self: ~Copyable, Failure == KernelError {
    public func failure(_ error: KernelError) -> KernelError { error }
}

/// Walks a tree depth first, files of a directory before its subdirectories, of any depth and width with three
/// descriptors and without recursion. Symlinks are not followed.
public enum TreeWalk {
    public static func run<Visitor: TreeVisitor & ~Copyable>(
        _ root: borrowing OwnedFD, _ visitor: inout Visitor
    ) throws(Visitor.Failure) {
        var walk = try Walk(root, visitor)
        try walk.readEntries(&visitor)
        while try walk.advance(&visitor) {}
    }

    private struct Walk<Visitor: TreeVisitor & ~Copyable>: ~Copyable {
        private var cursor: DirectoryCursor
        /// Of each directory from the root to the current one: its name, and its subdirectories still to be walked.
        private var frames: [(name: FilePath, pending: [FilePath])] = []

        init(_ root: borrowing OwnedFD, _ visitor: borrowing Visitor) throws(Visitor.Failure) {
            do throws(KernelError) {
                cursor = try DirectoryCursor(at: root)
            } catch {
                throw visitor.failure(error)
            }
            frames = [(name: "", pending: [])]
        }

        /// Shows the current directory's entries to the visitor and notes the subdirectories to go into.
        mutating func readEntries(_ visitor: inout Visitor) throws(Visitor.Failure) {
            if visitor.isOrdered {
                let entries = try Self.reading(visitor) { () throws(KernelError) in try cursor.current.entries() }
                try show(entries.sorted { $0.name < $1.name }, to: &visitor)
                // The last is taken first.
                frames[frames.count - 1].pending.reverse()
                return
            }
            var reader: DirectoryReader?
            while true {
                let entries = try Self.reading(visitor) { () throws(KernelError) in
                    try nextEntries(&reader, noneIfVanished: visitor.passesOverVanished)
                }
                if entries.isEmpty { return }
                try show(entries, to: &visitor)
            }
        }

        /// - Returns: none at the end, and when the current directory has been deleted and that is no failure.
        private func nextEntries(
            _ reader: inout DirectoryReader?, noneIfVanished passesOver: Bool
        ) throws(KernelError) -> [DirectoryReader.Entry] {
            do throws(KernelError) {
                if reader == nil { reader = try DirectoryReader(of: cursor.current) }
                return try reader?.next() ?? []
            } catch {
                guard passesOver, error.errno == .noSuchFile else { throw error }
                return []
            }
        }

        private mutating func show(
            _ entries: [DirectoryReader.Entry], to visitor: inout Visitor
        ) throws(Visitor.Failure) {
            for entry in entries {
                // Not every filesystem keeps kinds in its directories.
                let kind = try Self.reading(visitor) { () throws(KernelError) in
                    if let kind = entry.kind { return kind }
                    return try cursor.current.status(of: entry.name).kind
                }
                if try visitor.visit(entry.name, kind, in: cursor.current) {
                    frames[frames.count - 1].pending.append(entry.name)
                }
            }
        }

        /// Goes into the next directory, or back up. Returns false at the end of the walk.
        mutating func advance(_ visitor: inout Visitor) throws(Visitor.Failure) -> Bool {
            if let name = frames[frames.count - 1].pending.popLast() {
                let isThere = try Self.reading(visitor) { () throws(KernelError) in
                    try descend(into: name, unlessVanished: visitor.passesOverVanished)
                }
                if !isThere { return true }
                frames.append((name: name, pending: []))
                try visitor.entered(name, cursor.current)
                try readEntries(&visitor)
                return true
            }
            guard cursor.depth > 0 else { return false }
            try Self.reading(visitor) { () throws(KernelError) in try cursor.ascend() }
            try visitor.left(frames.removeLast().name, in: cursor.current)
            return true
        }

        /// - Returns: false, with the cursor where it was, when the directory has vanished and that is no failure.
        private mutating func descend(
            into name: FilePath, unlessVanished passesOver: Bool
        ) throws(KernelError) -> Bool {
            do throws(KernelError) {
                try cursor.descend(into: name)
                return true
            } catch {
                guard passesOver, [.noSuchFile, .notDirectory].contains(error.errno) else { throw error }
                return false
            }
        }

        /// Reports a failure of reading the tree as the visitor's.
        private static func reading<Result: ~Copyable>(
            _ visitor: borrowing Visitor, _ body: () throws(KernelError) -> Result
        ) throws(Visitor.Failure) -> Result {
            do throws(KernelError) {
                return try body()
            } catch {
                throw visitor.failure(error)
            }
        }
    }
}
