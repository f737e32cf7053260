/// A mounted hierarchy of control groups and the resources that it limits.
public struct ControlGroupHierarchy: Sendable {
    public enum Version: Sendable { case one, two }

    public let version: Version
    /// The folder below which groups may be tried to be made.
    public let folder: String
    /// The controllers' names, as `memory`, that groups in `folder` can have.
    public let controllers: [String]

    /// Those of version 2 first; empty where the table of mounts cannot be read.
    public static func all() -> [ControlGroupHierarchy] {
        // Without a readable table there are no hierarchies to be used.
        guard let table = try? ProcFS.read("/proc/self/mountinfo") else { return [] }
        let mounts = table.split(separator: "\n").compactMap(MountLine.init)
        return mounts.filter { $0.type == "cgroup2" }.compactMap(version2)
            + mounts.filter { $0.type == "cgroup" }.compactMap(version1)
    }

    private static func version2(_ mount: MountLine) -> ControlGroupHierarchy? {
        // A controller is of use only where the group above hands it down already.
        guard let enabled = try? ProcFS.read(mount.target + "/cgroup.subtree_control") else { return nil }
        var controllers = enabled.split(whereSeparator: \.isWhitespace).map(String.init)
        // Version 2 counts CPU time together with limiting it.
        if controllers.contains("cpu") { controllers.append("cpuacct") }
        if controllers.isEmpty { return nil }
        return ControlGroupHierarchy(version: .two, folder: mount.target, controllers: controllers)
    }

    private static func version1(_ mount: MountLine) -> ControlGroupHierarchy? {
        ControlGroupHierarchy(
            version: .one, folder: mount.target, controllers: mount.options.split(separator: ",").map(String.init))
    }
}

/// The fields of a line of /proc/self/mountinfo that matter here (proc_pid_mountinfo(5)).
private struct MountLine {
    let target: String
    let type: String
    let options: String

    init?(_ line: Substring) {
        let halves = line.split(separator: " - ", maxSplits: 1)
        guard halves.count == 2 else { return nil }
        let left = halves[0].split(separator: " ")
        let right = halves[1].split(separator: " ")
        guard left.count >= 5, right.count >= 3 else { return nil }
        target = String(left[4])
        type = String(right[0])
        options = String(right[2])
    }
}
