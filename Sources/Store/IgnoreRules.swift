import Glibc
import Kernel

/// Patterns that tell which entries of a folder are left out, in the language of gitignore(5).
///
/// A pattern with a slash at its beginning or in its middle counts from the folder, another one for names at any depth; a
/// slash at the end means folders only; `**` between slashes stands for any number of folders; `!` takes back what an earlier
/// pattern left out; `#` begins a comment. The last pattern that fits decides. What lies in a folder that is left out cannot be
/// taken back.
public struct IgnoreRules: Sendable {
    private struct Rule: Sendable {
        /// The parts between the slashes.
        let parts: [FilePath]
        let isNegated: Bool
        let isForFolders: Bool
    }

    private static let anyFolders: FilePath = "**"

    private let rules: [Rule]

    /// - Parameter patterns: each as it would stand on a line of its own.
    public init(_ patterns: [String]) { rules = patterns.compactMap(Self.rule) }

    public var isEmpty: Bool { rules.isEmpty }

    /// Nil for a comment and an empty line.
    private static func rule(_ pattern: String) -> Rule? {
        var text = Substring(pattern)
        if text.last == "\r" { text.removeLast() }
        while text.last == " ", text.dropLast().last != "\\" { text.removeLast() }
        if text.isEmpty || text.first == "#" { return nil }
        let isNegated = text.first == "!"
        if isNegated { text.removeFirst() }
        let isForFolders = text.last == "/"
        while text.last == "/" { text.removeLast() }
        let isAnchored = text.contains("/")
        var parts = text.split(separator: "/").compactMap { FilePath(String($0)) }
        if parts.isEmpty { return nil }
        if !isAnchored { parts.insert(anyFolders, at: 0) }
        return Rule(parts: parts, isNegated: isNegated, isForFolders: isForFolders)
    }

    /// Whether an entry is left out whose folder is not.
    ///
    /// - Parameter path: relative to the folder that the patterns are for.
    public func leaveOut(_ path: FilePath, isFolder: Bool) -> Bool {
        leaveOut(path.components[...], isFolder: isFolder)
    }

    /// Whether an entry is left out, by itself or with a folder above it.
    public func leaveOutAtOrAbove(_ path: FilePath, isFolder: Bool) -> Bool {
        if rules.isEmpty { return false }
        let names = path.components
        return names.indices.contains { index in
            leaveOut(names[...index], isFolder: isFolder || index < names.count - 1)
        }
    }

    private func leaveOut(_ names: ArraySlice<FilePath>, isFolder: Bool) -> Bool {
        let last = rules.last { rule in (isFolder || !rule.isForFolders) && Self.fit(rule.parts[...], names) }
        return last.map { !$0.isNegated } ?? false
    }

    /// Matches as a glob does, with parts for characters and `**` for `*`: going back to the last `**` suffices.
    private static func fit(_ parts: ArraySlice<FilePath>, _ names: ArraySlice<FilePath>) -> Bool {
        var (part, name) = (parts.startIndex, names.startIndex)
        var retry: (part: Int, name: Int)?
        while name < names.endIndex {
            if part < parts.endIndex, parts[part] == anyFolders {
                // At the end it stands for everything within, thus for one name at least.
                if part == parts.endIndex - 1 { return true }
                retry = (part + 1, name)
                part += 1
            } else if part < parts.endIndex, fits(parts[part], names[name]) {
                part += 1
                name += 1
            } else if let last = retry {
                retry = (last.part, last.name + 1)
                (part, name) = (last.part, last.name + 1)
            } else {
                return false
            }
        }
        return part == parts.endIndex
    }

    /// One part against one name, as fnmatch(3) has it: `*`, `?`, `[…]` and backslashes.
    private static func fits(_ pattern: FilePath, _ name: FilePath) -> Bool {
        // unsafe: both strings are valid while the call lasts.
        unsafe pattern.withCString { pattern in unsafe name.withCString { unsafe fnmatch(pattern, $0, 0) == 0 } }
    }
}
