import Kernel

/// An earlier copy of the same tree, which a walk through the tree follows.
struct FormerTree: ~Copyable {
    private let moment: QuietMoment
    private var cursor: DirectoryCursor
    /// From the root to where the walk is, as far as the copy has that.
    private var folders: [CopiedFolder]
    /// How many folders the walk is beyond that.
    private var beyond = 0

    /// - Parameters:
    ///   - content: the copy; nobody changes it, but it may be deleted at any time.
    ///   - moment: when what it holds was as it is there.
    init(_ content: borrowing OwnedFD, _ root: CopiedFolder, _ moment: QuietMoment) throws(KernelError) {
        self.moment = moment
        cursor = try DirectoryCursor(at: content)
        folders = [root]
    }

    mutating func descend(into name: FilePath) throws(KernelError) {
        guard beyond == 0, let folder = folders.last?.folders[name] else {
            beyond += 1
            return
        }
        do throws(KernelError) {
            try cursor.descend(into: name)
            folders.append(folder)
        } catch {
            guard error.errno == .noSuchFile else { throw error }
            beyond += 1
        }
    }

    mutating func ascend() throws(KernelError) {
        if beyond > 0 {
            beyond -= 1
        } else {
            folders.removeLast()
            try cursor.ascend()
        }
    }

    /// Gives the copy of a file another name in `target`, where the file has not been changed since.
    func link(_ name: FilePath, _ status: FileStatus, in target: borrowing OwnedFD) throws(KernelError) -> Bool {
        guard beyond == 0, status.kind == .regular, let entry = folders.last?.files[name], entry.isOf(status),
            moment.vouches(for: status)
        else { return false }
        do throws(KernelError) {
            try cursor.current.link(name, to: name, in: target)
            return true
        } catch {
            // The earlier copy is being deleted, or its file has as many names as its filesystem allows.
            guard [.noSuchFile, .tooManyHardLinks].contains(error.errno) else { throw error }
            return false
        }
    }
}
