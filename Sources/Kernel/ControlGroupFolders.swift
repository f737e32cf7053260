/// The folders of one control group, in as many hierarchies as there are.
///
/// A process is born in its groups rather than moved to them: moving one makes the kernel wait until no process of the
/// machine forks or exits (cgroup_threadgroup_rwsem), which takes 4 to 20 ms. A thread that moves itself is exempt from
/// that (kernel/cgroup/cgroup.c, cgroup_procs_write_start), and its children follow; version 2 has CLONE_INTO_CGROUP.
public struct ControlGroupFolders: Sendable {
    public let version1: [String]
    public let version2: String?

    public init(version1: [String], version2: String?) {
        self.version1 = version1
        self.version2 = version2
    }

    /// Moves the calling thread to the groups of version 1, for good, and runs `body` with an open folder of version 2.
    func enter<Value>(_ body: (_ version2: Int32?) throws(KernelError) -> Value) throws(KernelError) -> Value {
        for folder in version1 { try ProcFS.write("0", to: folder + "/tasks") }
        guard let version2 else { return try body(nil) }
        let folder = try OwnedFD.open(FilePath(verbatim: version2), .directory)
        return try body(folder.rawValue)
    }
}
