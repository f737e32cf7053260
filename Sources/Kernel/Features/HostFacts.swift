import Glibc

/// What remedies depend on: who runs this, from where, and inside of what.
struct HostFacts {
    let isRoot: Bool
    /// The user's login name, else the number.
    let user: String
    /// The path of the running program.
    let program: String
    /// Whether a container runtime left its mark, or a seccomp filter is on this process already.
    let isConfined: Bool

    init() {
        let uid = geteuid()
        isRoot = uid == 0
        user = Self.loginName(of: uid) ?? "\(uid)"
        program = Self.programPath() ?? "/usr/bin/isorun-engine"
        isConfined = Self.hasContainerMark() || Self.hasSeccompFilter()
    }

    private static func loginName(of uid: uid_t) -> String? {
        let table = (try? ProcFS.read("/etc/passwd")) ?? ""
        let entries = table.split(separator: "\n").map { $0.split(separator: ":", omittingEmptySubsequences: false) }
        return entries.first { $0.count > 2 && $0[2] == "\(uid)" }.map { String($0[0]) }
    }

    private static func programPath() -> String? {
        guard let folder = try? OwnedFD.open("/proc/self", [.read, .directory]) else { return nil }
        return (try? folder.readSymlink("exe"))?.description
    }

    private static func hasContainerMark() -> Bool {
        ["/.dockerenv", "/run/.containerenv"].contains { (path: String) in
            // unsafe: the path is valid while the call lasts.
            unsafe access(path, F_OK) == 0
        }
    }

    private static func hasSeccompFilter() -> Bool {
        let status = (try? ProcFS.read("/proc/self/status")) ?? ""
        return status.split(separator: "\n").contains { $0.hasPrefix("Seccomp:") && !$0.hasSuffix("0") }
    }
}
