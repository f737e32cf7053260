import Kernel
import Store

/// Moves what is in one folder into another that has entries already: files replace files, folders are merged.
struct TreeMerge: TreeVisitor, ~Copyable {
    /// Of the folder that gets the entries, for errors.
    private let path: String
    /// Whether conflicts are only looked for.
    private let isRehearsal: Bool
    private var target: DirectoryCursor
    private var names: [FilePath] = []

    /// How often the source is walked: a filesystem may leave entries out of a folder that others are taken from meanwhile.
    private static let maxPasses = 4

    /// - Parameters:
    ///   - source: ends up empty, unless others go on making entries in it.
    ///   - path: of `target`, for errors.
    /// - Throws: `exists` where a folder meets something else, before anything was moved.
    static func moveEntries(
        of source: borrowing OwnedFD, into target: borrowing OwnedFD, path: String
    ) throws(SandboxError) {
        var rehearsal = try TreeMerge(into: target, path, isRehearsal: true)
        try TreeWalk.run(source, &rehearsal)
        for _ in 1...maxPasses {
            var merge = try TreeMerge(into: target, path, isRehearsal: false)
            try TreeWalk.run(source, &merge)
            if try atPath(path, { () throws(KernelError) in try source.entries().isEmpty }) { return }
        }
    }

    private init(into target: borrowing OwnedFD, _ path: String, isRehearsal: Bool) throws(SandboxError) {
        self.path = path
        self.isRehearsal = isRehearsal
        self.target = try atPath(path) { () throws(KernelError) in try DirectoryCursor(at: target) }
    }

    private func path(of name: FilePath) -> String {
        (names + [name]).reduce(path) { "\($0)/\($1)" }
    }

    mutating func visit(
        _ name: FilePath, _ kind: FileKind, in folder: borrowing OwnedFD
    ) throws(SandboxError) -> Bool {
        let full = path(of: name)
        let present = try atPath(full) { () throws(KernelError) in try target.current.statusIfPresent(of: name) }
        if let present {
            let areFolders = (kind == .directory, present.kind == .directory)
            if areFolders == (true, true) { return true }
            if areFolders != (false, false) { throw .path(PathError(.exists, full)) }
        }
        if !isRehearsal { try EntryMove.move(name, in: folder, full, to: name, in: target.current, full) }
        return false
    }

    mutating func entered(_ name: FilePath, _ folder: borrowing OwnedFD) throws(SandboxError) {
        try atPath(path(of: name)) { () throws(KernelError) in try target.descend(into: name) }
        names.append(name)
    }

    mutating func left(_ name: FilePath, in parent: borrowing OwnedFD) throws(SandboxError) {
        names.removeLast()
        let full = path(of: name)
        do throws(KernelError) {
            try target.ascend()
            if !isRehearsal { try parent.removeDirectory(name) }
        } catch {
            // Entries that were left out are the next pass's.
            if error.errno != .notEmpty { throw SandboxError(error, path: full) }
        }
    }

    func failure(_ error: KernelError) -> SandboxError { SandboxError(error, path: path) }
}
