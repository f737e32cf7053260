/// Which handler carries out which method.
enum MethodTable {
    private static let all: [any RequestHandler.Type] = [
        InitializeHandler.self, ShutdownHandler.self, DiscoverHandler.self,
        SandboxCreateHandler.self, SandboxExecHandler.self, SandboxSnapshotHandler.self, SandboxExplainHandler.self,
        SandboxRestoreHandler.self, SandboxForkHandler.self, SandboxRaceHandler.self, SandboxRollbackHandler.self,
        SandboxHibernateHandler.self, SandboxResumeHandler.self, SandboxDestroyHandler.self, SandboxGetHandler.self,
        SandboxListHandler.self, SandboxSetTimeoutHandler.self, SandboxStatsHandler.self, SandboxDiffHandler.self,
        SandboxCommitHandler.self,
        SnapshotListHandler.self, SnapshotGetHandler.self, SnapshotDeleteHandler.self, SnapshotDiffHandler.self,
        SnapshotExportHandler.self, SnapshotImportHandler.self,
        ImageImportHandler.self, ImagePullHandler.self, ImageListHandler.self, ImageGetHandler.self,
        ImageRemoveHandler.self, ImageCommitHandler.self, ImageExportHandler.self,
        ProcessStartHandler.self, ProcessWriteHandler.self, ProcessCloseStdinHandler.self, ProcessSignalHandler.self,
        ProcessResizeHandler.self, ProcessAttachHandler.self, ProcessDetachHandler.self, ProcessWaitHandler.self,
        ProcessListHandler.self, ProcessGetHandler.self,
        FileReadHandler.self, FileWriteHandler.self, FileListHandler.self, FileStatHandler.self,
        FileMakeDirectoryHandler.self, FileRemoveHandler.self, FileMoveHandler.self, FileCopyInHandler.self,
        FileCopyOutHandler.self,
        PortForwardHandler.self, PortCloseHandler.self, PortListHandler.self,
        EngineInfoHandler.self, EngineStatsHandler.self, EngineCollectGarbageHandler.self,
    ]

    static let handlers: [String: any RequestHandler.Type] = Dictionary(
        uniqueKeysWithValues: all.map { ($0.method, $0) })
}
