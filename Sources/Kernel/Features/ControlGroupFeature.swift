import Glibc

/// Whether limits of memory, cpu and processes can be held by control groups.
enum ControlGroupFeature {
    static func probe(_ host: HostFacts) -> Feature {
        var found: [String] = []
        var missing = ["memory", "cpu", "pids"]
        for hierarchy in ControlGroupHierarchy.all() where canDivide(hierarchy.folder) {
            let controllers = missing.filter(hierarchy.controllers.contains)
            found += controllers.map { "\($0) (\(hierarchy.version == .two ? "v2" : "v1"))" }
            missing.removeAll(where: controllers.contains)
        }
        if missing.isEmpty { return .ok(.controlGroups, found.joined(separator: ", ")) }
        let none = "none that \(host.user) may divide; rlimits hold what they can"
        let partial = "\(found.joined(separator: ", ")); not \(missing.joined(separator: ", "))"
        let remedy = remedy(host, missing)
        if found.isEmpty { return .failed(.controlGroups, none, remedy: remedy) }
        return .limited(.controlGroups, partial, remedy: remedy)
    }

    private static func remedy(_ host: HostFacts, _ missing: [String]) -> String {
        if !host.isRoot { return "Start the engine by: systemd-run --user --scope -p Delegate=yes isorun-engine" }
        if host.isConfined { return "docker run --cgroupns=host -v /sys/fs/cgroup:/sys/fs/cgroup:rw …" }
        let controllers = missing.map { "+\($0)" }.joined(separator: " ")
        return "echo '\(controllers)' | sudo tee /sys/fs/cgroup/cgroup.subtree_control"
    }

    /// Really makes a group, since permission bits alone do not tell: the mount may be read-only, or masked.
    private static func canDivide(_ folder: String) -> Bool {
        let group = folder + "/isorun-doctor-" + RandomName.hex(bytes: 8)
        // unsafe, both: the path is valid while the call lasts.
        if unsafe mkdir(group, 0o755) != 0 { return false }
        return unsafe rmdir(group) == 0
    }
}
