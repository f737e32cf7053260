import Kernel

/// A user of a sandbox, with the ids and the home that its own files give it.
struct SandboxUser: Sendable, Equatable {
    let name: String
    let uid: UInt32
    let gid: UInt32
    let groups: [UInt32]
    let home: String

    static let root = SandboxUser(name: "root", uid: 0, gid: 0, groups: [], home: "/root")

    /// Looks up `name`, `uid`, `name:group` or `uid:gid` in /etc/passwd and /etc/group of a sandbox.
    ///
    /// A number needs no entry. `root` and `0` are answered without a look: they exist everywhere.
    ///
    /// - Parameter root: the sandbox's root folder.
    /// - Throws: `userNotFound` naming what is unknown.
    static func lookUp(_ text: String, in root: borrowing OwnedFD) throws(SandboxError) -> SandboxUser {
        if text == "root" || text == "0" { return .root }
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let accounts = AccountFile("etc/passwd", in: root)
        let groups = AccountFile("etc/group", in: root)

        let entry = accounts.line(named: parts[0], idField: 2)
        guard let uid = entry.flatMap({ UInt32($0[2]) }) ?? UInt32(parts[0]) else { throw .userNotFound(text) }
        var gid = entry.flatMap { UInt32($0[3]) } ?? 0
        if parts.count == 2 {
            let group = groups.line(named: parts[1], idField: 2)
            guard let number = group.flatMap({ UInt32($0[2]) }) ?? UInt32(parts[1]) else { throw .userNotFound(text) }
            gid = number
        }
        let name = entry?[0] ?? parts[0]
        return SandboxUser(
            name: name, uid: uid, gid: gid, groups: groups.groups(listing: name), home: entry?[5] ?? "/")
    }
}

/// A colon-separated table of /etc (passwd(5), group(5)). One that is absent or unreadable is empty.
private struct AccountFile {
    private let lines: [[String]]

    init(_ path: FilePath, in root: borrowing OwnedFD) {
        do throws(KernelError) {
            let file = try root.open(path, [.read, .nonBlocking], resolving: [.inRoot, .noMagicLinks])
            lines = String(decoding: try file.readToEnd(), as: UTF8.self).split(separator: "\n").map { line in
                line.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
            }
        } catch {
            lines = []
        }
    }

    /// The line whose name or numeric id is `text`; it has all the fields that passwd(5) or group(5) promise.
    func line(named text: String, idField: Int) -> [String]? {
        let whole = lines.filter { $0.count >= 4 }
        let line = whole.first { $0[0] == text } ?? whole.first { $0[idField] == text }
        guard let line, line.count < 7 else { return line }
        return line + Array(repeating: "", count: 7 - line.count)
    }

    /// The ids of the groups whose member list has the name.
    func groups(listing name: String) -> [UInt32] {
        lines.filter { $0.count >= 4 && $0[3].split(separator: ",").contains(Substring(name)) }
            .compactMap { UInt32($0[2]) }
    }
}
