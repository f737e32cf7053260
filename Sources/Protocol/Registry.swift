/// Every method of the protocol, version 1. The schema lists the same; a test compares the two.
public enum Registry {
    public static let protocolVersion = "1"

    public static let requests: [any ProtocolRequest.Type] = [
        Initialize.self, Shutdown.self, Discover.self,
        SandboxCreate.self, SandboxExec.self, SandboxSnapshot.self, SandboxExplain.self, SandboxRestore.self,
        SandboxFork.self, SandboxRace.self, SandboxRollback.self, SandboxHibernate.self, SandboxResume.self,
        SandboxDestroy.self, SandboxGet.self, SandboxList.self, SandboxSetTimeout.self, SandboxStats.self,
        SandboxDiff.self, SandboxCommit.self,
        SnapshotList.self, SnapshotGet.self, SnapshotDelete.self, SnapshotDiff.self, SnapshotExport.self,
        SnapshotImport.self,
        ProcessStart.self, ProcessWrite.self, ProcessCloseStdin.self, ProcessSignal.self, ProcessResize.self,
        ProcessAttach.self, ProcessDetach.self, ProcessWait.self, ProcessList.self, ProcessGet.self,
        FileRead.self, FileWrite.self, FileList.self, FileStat.self, FileMakeDirectory.self, FileRemove.self,
        FileMove.self, FileCopyIn.self, FileCopyOut.self,
        ImageImport.self, ImagePull.self, ImageList.self, ImageGet.self, ImageRemove.self, ImageCommit.self,
        ImageExport.self,
        PortForward.self, PortClose.self, PortList.self,
        EngineInfo.self, EngineStats.self, EngineCollectGarbage.self,
    ]

    public static let clientNotifications: [any ClientNotification.Type] = [
        Initialized.self, Exit.self, CancelRequest.self,
    ]

    public static let serverNotifications: [any ServerNotification.Type] = [
        Progress.self, ExecOutput.self, ProcessOutput.self, ProcessExited.self, ProcessOutputEnded.self,
        SandboxStatusChanged.self, SandboxLimitReached.self, SnapshotDurability.self,
    ]
}
