/// What a probe found out about one thing that the engine wants from the kernel or the host.
public struct Feature: Sendable, Equatable {
    /// How well the machine serves the engine here. The raw values are part of `doctor --json`.
    public enum Status: String, Sendable {
        case ok
        /// It works, but less well than it could.
        case limited
        case failed
    }

    public let name: FeatureName
    public let status: Status
    /// What was found, in a few words.
    public let detail: String
    /// What to do about it: commands for Debian and Ubuntu where there are any. Nil only when nothing is wrong.
    public let remedy: String?

    private init(_ name: FeatureName, _ status: Status, _ detail: String, remedy: String?) {
        self.name = name
        self.status = status
        self.detail = detail
        self.remedy = remedy
    }

    static func ok(_ name: FeatureName, _ detail: String) -> Feature { Feature(name, .ok, detail, remedy: nil) }

    static func limited(_ name: FeatureName, _ detail: String, remedy: String) -> Feature {
        Feature(name, .limited, detail, remedy: remedy)
    }

    static func failed(_ name: FeatureName, _ detail: String, remedy: String) -> Feature {
        Feature(name, .failed, detail, remedy: remedy)
    }
}

/// Everything that is probed, in the order in which it is shown. The raw values are part of `doctor --json`.
public enum FeatureName: String, CaseIterable, Sendable {
    case kernelVersion
    case userNamespaces, userNamespaceLimit, unprivilegedUserNamespaces, appArmorUserNamespaces
    case sandboxNamespaces, procMount, loopback, overlay, seccompFilter
    case pidfd, closeRange, openat2, memoryExecution
    case storeFolder, storeOverlay, storeSpace, storeReflink
    case idMapTools, subordinateIDs, setGroups, idMappedMounts
    case controlGroups
    case pasta, tunDevice, packetFilter, skopeo
    case setTid, ptrace, processMemory, userfaultfd, pagemapScan, hugePages

    /// Whether no sandbox can run without it.
    public var isRequired: Bool {
        switch self {
        case .kernelVersion, .userNamespaces, .userNamespaceLimit, .unprivilegedUserNamespaces,
            .appArmorUserNamespaces, .sandboxNamespaces, .procMount, .loopback, .overlay, .seccompFilter, .pidfd,
            .closeRange, .openat2, .memoryExecution, .storeFolder, .storeOverlay:
            true
        case .storeSpace, .storeReflink, .idMapTools, .subordinateIDs, .setGroups, .idMappedMounts, .controlGroups,
            .pasta, .tunDevice, .packetFilter, .skopeo, .setTid, .ptrace, .processMemory, .userfaultfd, .pagemapScan,
            .hugePages:
            false
        }
    }

    /// What the engine wants it for.
    public var purpose: String {
        switch self {
        case .kernelVersion: "overlayfs with layers added one by one"
        case .userNamespaces: "everything"
        case .userNamespaceLimit: "user namespaces"
        case .unprivilegedUserNamespaces: "user namespaces (a switch of Debian's kernels)"
        case .appArmorUserNamespaces: "user namespaces (a switch of Ubuntu's kernels)"
        case .sandboxNamespaces: "the isolation of a sandbox"
        case .procMount: "/proc of a sandbox"
        case .loopback: "the network of a sandbox"
        case .overlay: "the files of a sandbox"
        case .seccompFilter: "keeping system calls from sandboxes"
        case .pidfd: "ending the right process"
        case .closeRange: "keeping the engine's files from sandboxes"
        case .openat2: "paths that do not lead out of a sandbox"
        case .memoryExecution: "the first process of a sandbox"
        case .storeFolder: "images, snapshots, the files of sandboxes"
        case .storeOverlay: "the files of a sandbox, where the store lies"
        case .storeSpace: "images, snapshots, the files of sandboxes"
        case .storeReflink: "snapshots of sandboxes with running processes that copy no data"
        case .idMapTools: "more than one user inside a sandbox"
        case .subordinateIDs: "more than one user inside a sandbox"
        case .setGroups: "changing users inside a sandbox"
        case .idMappedMounts: "image `host` with its owners, as root"
        case .controlGroups: "limits of memory, cpu and processes; else rlimits"
        case .pasta: "network mode `nat`"
        case .tunDevice: "network mode `nat`"
        case .packetFilter: "rules of the network, `allow` and `deny`"
        case .skopeo: "pulling images from registries"
        case .setTid: "running processes in snapshots: their pids"
        case .ptrace: "running processes in snapshots"
        case .processMemory: "running processes in snapshots: their memory"
        case .userfaultfd: "memory that is filled in when it is touched"
        case .pagemapScan: "finding the pages that changed quickly"
        case .hugePages: "fast forks of processes with much memory"
        }
    }
}
