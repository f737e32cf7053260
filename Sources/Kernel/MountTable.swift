import Glibc

/// The mounts of the engine's mount namespace.
public enum MountTable {
    /// Absolute paths, as mountinfo shows them (octal escapes undone).
    public static func targets() throws(KernelError) -> [String] {
        try ProcFS.read("/proc/self/mountinfo").split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ")
            return fields.count > 4 ? unescaped(fields[4]) : nil
        }
    }

    /// The type of the filesystem that a path lies on: that of the last mount at the longest prefix of it.
    ///
    /// - Parameter path: absolute and without symlinks.
    public static func filesystem(at path: String) throws(KernelError) -> String {
        var best = (target: "", type: "unknown")
        for line in try ProcFS.read("/proc/self/mountinfo").split(separator: "\n") {
            let halves = line.split(separator: " - ", maxSplits: 1)
            let fields = halves[0].split(separator: " ")
            guard halves.count == 2, fields.count > 4 else { continue }
            let target = unescaped(fields[4])
            let isPrefix = target == "/" || path == target || path.hasPrefix(target + "/")
            if isPrefix, target.count >= best.target.count {
                best = (target, String(halves[1].prefix { $0 != " " }))
            }
        }
        return best.type
    }

    /// Space, tab, newline and backslash appear as `\040`, `\011`, `\012` and `\134` (proc_pid_mountinfo(5)).
    private static func unescaped(_ field: Substring) -> String {
        var text = String(field)
        for (escape, character) in [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")] {
            text = text.replacing(escape, with: character)
        }
        return text
    }
}
