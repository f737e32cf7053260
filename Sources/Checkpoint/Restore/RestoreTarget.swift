import Kernel

/// Where processes are restored: a sandbox whose files are in place and in which nothing runs.
public struct RestoreTarget: Sendable {
    /// The sandbox's first process, in the engine's numbering.
    public let initPid: Int32
    /// Folders of its control group in hierarchies of version 1, and the one of version 2.
    public let controlGroups: ControlGroupFolders
    /// Instructions of the sandbox's seccomp filter (struct sock_filter).
    public let filter: [UInt8]
    /// Learns what captures of the sandbox need not copy.
    public let history: CaptureHistory
    /// Waits until the sandbox's root is in place: before that, nothing is looked up or entered in it.
    public let waitForRoot: @Sendable () -> Void

    public init(
        initPid: Int32, controlGroups: ControlGroupFolders, filter: [UInt8], history: CaptureHistory,
        waitForRoot: @escaping @Sendable () -> Void
    ) {
        self.initPid = initPid
        self.controlGroups = controlGroups
        self.filter = filter
        self.history = history
        self.waitForRoot = waitForRoot
    }
}
