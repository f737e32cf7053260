import Kernel

/// The place in a tree that is being written, and where in it the files with several names were made.
struct TargetTree: ~Copyable {
    private let root: OwnedFD
    private var cursor: DirectoryCursor
    private var folder = Folder(parent: nil, name: "")
    /// Files met once whose further names are still to come.
    private var linked: [FileIdentity: LinkedFile] = [:]

    /// A folder of the tree by its names from the root, so that depth costs neither descriptors nor long paths.
    private final class Folder {
        let parent: Folder?
        let name: FilePath

        init(parent: Folder?, name: FilePath) {
            self.parent = parent
            self.name = name
        }
    }

    private struct LinkedFile {
        let folder: Folder
        let name: FilePath
        /// Whether this one was in the tree before it was written to.
        let isKept: Bool
        var namesToCome: UInt64
    }

    init(_ root: borrowing OwnedFD) throws(KernelError) {
        let opened = try root.open(".", [.read, .directory])
        cursor = try DirectoryCursor(at: root)
        self.root = opened
    }

    /// The directory that gets the next entries.
    var current: OwnedFD {
        _read { yield cursor.current }
    }

    /// The current directory's path from the root, for messages.
    var path: FilePath {
        var names: [FilePath] = []
        var place = folder
        while let parent = place.parent {
            names.append(place.name)
            place = parent
        }
        return names.reversed().reduce("") { $0.appending($1) }
    }

    mutating func descend(into name: FilePath) throws(KernelError) {
        try cursor.descend(into: name)
        folder = Folder(parent: folder, name: name)
    }

    mutating func ascend() throws(KernelError) {
        try cursor.ascend()
        if let parent = folder.parent { folder = parent }
    }

    /// Notes where a file with several names was made.
    mutating func remember(_ source: FileStatus, as name: FilePath) {
        guard source.linkCount > 1 else { return }
        linked[source.identity] = LinkedFile(
            folder: folder, name: name, isKept: false, namesToCome: source.linkCount - 1)
    }

    /// Whether the copy of a file with several names has one already.
    func knows(_ source: FileStatus) -> Bool { source.linkCount > 1 && linked[source.identity] != nil }

    /// Notes a file that was in the tree before.
    ///
    /// - Returns: false, having noted nothing, when other names of it were made anew: what is here is not what they stand for.
    mutating func keep(_ source: FileStatus, as name: FilePath) -> Bool {
        guard source.linkCount > 1 else { return true }
        let known = linked[source.identity]
        if let known, !known.isKept { return false }
        var first =
            known ?? LinkedFile(folder: folder, name: name, isKept: true, namesToCome: source.linkCount)
        first.namesToCome -= 1
        linked[source.identity] = first.namesToCome > 0 ? first : nil
        return true
    }

    /// Makes `name` a hard link to the copy of `source` if that was made already.
    mutating func linkIfKnown(_ source: FileStatus, as name: FilePath) throws(KernelError) -> Bool {
        guard source.linkCount > 1, var first = linked[source.identity] else { return false }
        do throws(KernelError) {
            if first.folder === folder {
                try cursor.current.link(first.name, to: name, in: cursor.current)
            } else {
                try open(first.folder).link(first.name, to: name, in: cursor.current)
            }
        } catch {
            // Other trees have names of it too, as many as its filesystem allows.
            guard error.errno == .tooManyHardLinks else { throw error }
            return false
        }
        first.namesToCome -= 1
        linked[source.identity] = first.namesToCome > 0 ? first : nil
        return true
    }

    /// Opens a folder name by name from the root.
    private func open(_ folder: Folder) throws(KernelError) -> OwnedFD {
        var names: [FilePath] = []
        var place = folder
        while let parent = place.parent {
            names.append(place.name)
            place = parent
        }
        var opened = try root.open(".", [.read, .directory])
        for name in names.reversed() { opened = try opened.openDirectory(name) }
        return opened
    }
}
