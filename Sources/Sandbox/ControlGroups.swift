import Glibc
import Kernel

/// What holds a limit; `capabilities.limits` says which.
public enum LimitBackend: String, Sendable {
    case cgroup2, cgroup1, rlimit
    /// The engine looks at what is used, and ends what uses too much.
    case engine
    case none
}

/// The resources that control groups limit and count.
enum Controller: String, CaseIterable {
    case memory, cpu, cpuacct, pids
}

/// The engine's own folders in the control group hierarchies, one group below them for each sandbox.
///
/// cgroup v2 where its controllers are enabled for the engine, v1 where a hierarchy carries the controller, else none:
/// then rlimits hold what they can. Probed once, at start.
final class ControlGroups: Sendable {
    /// Where a controller's groups are made.
    struct Parent: Sendable {
        let mechanism: LimitBackend
        /// The engine's own folder, made by `probe`.
        let folder: String
    }

    let parents: [Controller: Parent]
    /// Every folder made by `probe`, to be removed at the end.
    private let groups: [EngineGroup]

    private init(parents: [Controller: Parent], groups: [EngineGroup]) {
        self.parents = parents
        self.groups = groups
    }

    /// Makes the engine's folders wherever the kernel lets it.
    ///
    /// - Parameter engine: a name that no other engine has.
    static func probe(engine: String) -> ControlGroups {
        var parents: [Controller: Parent] = [:]
        var groups: [EngineGroup] = []
        for hierarchy in ControlGroupHierarchy.all() {
            let missing = hierarchy.limited.filter { parents[$0] == nil }
            if missing.isEmpty { continue }
            // Where there is none the next mechanism takes over.
            guard let group = EngineGroup(in: hierarchy.folder, engine: engine) else { continue }
            groups.append(group)
            if hierarchy.mechanism == .cgroup2, !enable(missing, below: group.folder) { continue }
            for controller in missing {
                parents[controller] = Parent(mechanism: hierarchy.mechanism, folder: group.folder)
            }
        }
        return ControlGroups(parents: parents, groups: groups)
    }

    /// Removes the groups that engines have left which were killed together with their launchers.
    func removeAbandoned() {
        for hierarchy in Set(groups.map(\.hierarchy)) { EngineGroup.removeAbandoned(in: hierarchy) }
    }

    /// In cgroup v2 a group has only the controllers that its parent hands down.
    private static func enable(_ controllers: [Controller], below folder: String) -> Bool {
        let names = controllers.filter { $0 != .cpuacct }.map { "+\($0.rawValue)" }.joined(separator: " ")
        do throws(KernelError) {
            try ProcFS.write(names, to: folder + "/cgroup.subtree_control")
            return true
        } catch {
            return false
        }
    }

    func mechanism(of controller: Controller) -> LimitBackend { parents[controller]?.mechanism ?? .none }

    /// The folders that hold the engine's groups, for whoever cleans up after an engine that was killed.
    var cleanupPaths: [String] { groups.map(\.folder) }

    /// A fresh group in every hierarchy. On failure nothing is left behind.
    func makeGroup() throws(SandboxError) -> ControlGroup {
        let name = "sandbox-" + RandomName.hex(bytes: 8)
        var made: [String] = []
        var folders: [Controller: Parent] = [:]
        for (controller, parent) in parents {
            let folder = parent.folder + "/" + name
            if !made.contains(folder) {
                do throws(KernelError) {
                    try check("mkdir", folder) { unsafe mkdir(folder, 0o755) }
                } catch {
                    for folder in made { unsafe _ = rmdir(folder) }
                    throw .kernel(error)
                }
                made.append(folder)
            }
            folders[controller] = Parent(mechanism: parent.mechanism, folder: folder)
        }
        do throws(KernelError) {
            return try ControlGroup(folders: folders)
        } catch {
            for folder in made { unsafe _ = rmdir(folder) }
            throw .kernel(error)
        }
    }

    /// Limits what all sandboxes have together.
    ///
    /// - Throws: `hostUnsupported` for what nothing here can limit.
    func apply(_ limits: EngineLimits) throws(SandboxError) {
        let wanted: [(Controller, String, Int?)] = [
            (.memory, "memMiB", limits.memMiB), (.cpu, "vcpus", limits.vcpus), (.pids, "pidsMax", limits.pidsMax),
        ]
        for (controller, name, value) in wanted where value != nil && parents[controller] == nil {
            throw .hostUnsupported(
                feature: "limits.\(name)",
                reason: "no control group is at hand that could limit all sandboxes together",
                fix: "Leave it out, or see what `isorun-engine doctor` says about control groups.")
        }
        try onKernel { () throws(KernelError) in
            let group = try ControlGroup(folders: parents)
            if let count = limits.memMiB { try group.limitMemory(toMiB: count) }
            if let count = limits.vcpus { try group.limitProcessors(to: count) }
            if let count = limits.pidsMax { try group.limitTasks(to: count) }
        }
    }

    /// Removes the engine's folders. A process that is in one of the groups still is killed.
    func remove() {
        for group in groups { group.remove() }
    }
}

extension ControlGroupHierarchy {
    fileprivate var mechanism: LimitBackend { version == .two ? .cgroup2 : .cgroup1 }
    fileprivate var limited: [Controller] { controllers.compactMap(Controller.init(rawValue:)) }
}
