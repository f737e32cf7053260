import JSON

@testable import Protocol

/// A result, a notification's params or an error's data of every type: with all fields, and with as few as possible.
enum Samples {
    struct Sample: Sendable {
        let method: String
        let json: JSONValue
    }

    static let time = Timestamp(seconds: 1_767_225_599, nanoseconds: 999_999_999)
    static let runtime = RuntimeReport(
        kept: 2, dropped: [.init(pid: 7, command: "gdb", reason: "it traces another process")],
        reset: [.init(pid: 9, command: "curl", what: "tcp connection to 10.0.0.1:80")])

    static let fullSandbox = SandboxObject(
        id: "run0123456789abcdef", name: "box\n1", labels: ["job": "42"], status: .running, image: "host",
        env: ["LANG": "C.UTF-8"], cwd: "/", user: "root", hostname: "box", vcpus: 1, memMiB: 1024, diskMiB: 4096,
        pidsMax: 1024, execsMax: 16,
        network: .init(mode: .nat, reason: "none", allow: ["*:443"], deny: ["10.0.0.0/8"]),
        createTime: .microseconds(1234), createdAt: time, parent: .snapshot("snap0123456789abcdef"), timeoutSec: 0,
        mounts: [.init(source: "/home/me/project", target: "/work", mode: .readOnly)], runtime: runtime)
    static let smallSandbox = {
        var sandbox = fullSandbox
        sandbox.name = nil
        sandbox.mounts = nil
        sandbox.network = .init(mode: .nat)
        sandbox.parent = nil
        sandbox.runtime = nil
        return sandbox
    }()
    static let forkedSandbox = {
        var sandbox = smallSandbox
        sandbox.parent = .sandbox("run0123456789abcdef")
        return sandbox
    }()

    static let fullSnapshot = SnapshotObject(
        id: "snap0123456789abcdef", name: "ready", labels: ["job": "42"], sandboxID: "run0123456789abcdef",
        parentSnapshotID: "snap0000000000000000", image: "host", createdAt: time, sizeBytes: 4096, memoryBytes: 0,
        pause: .milliseconds(3), runtime: runtime)
    static let smallSnapshot = {
        var snapshot = fullSnapshot
        snapshot.name = nil
        snapshot.parentSnapshotID = nil
        snapshot.runtime = RuntimeReport(kept: 0)
        return snapshot
    }()

    static let wonRace = RaceResult(
        outcome: .won, sandboxID: "run0123456789abcdef", exitCode: 0, signal: "SIGKILL", stdout: "a", stderr: "b",
        duration: .milliseconds(5))
    static let lostRace = RaceResult(
        outcome: .lost, sandboxID: "run0123456789abcdef", duration: .zero, reason: "another was quicker")

    static let runningProcess = ProcessObject(
        id: "p1", pid: 12, name: nil, command: .shell("sleep 9"), startedAt: time, status: .running, exitCode: nil,
        signal: nil, pty: nil, outputCursor: 0)
    static let exitedProcess = ProcessObject(
        id: "p2", pid: 13, name: "shell", command: .arguments(["bash", "-l"]), startedAt: time, status: .exited,
        exitCode: 137, signal: "SIGKILL", pty: TerminalSize(cols: 80, rows: 24), outputCursor: 100)

    static let file = FileEntry(name: "a", type: .file, size: 3, mode: 0o644, modified: time)
    static let link = FileEntry(name: "b", type: .symlink, size: 1, mode: 0o777, modified: time, target: "a")
    static let changes = ChangesResult(
        changes: FileChange.Kind.allCases.map { kind in
            FileChange(path: "/etc/motd", kind: kind, type: .file, size: 9)
        })

    static let textChanges = ChangesResult(changes: [
        FileChange(path: "/w/a", kind: .modified, type: .file, size: 9, diff: "--- a/w/a"),
        FileChange(path: "/w/b", kind: .modified, type: .file, size: 9, diffOmitted: .binary),
        FileChange(path: "/w/c", kind: .modified, type: .file, size: 9, diffOmitted: .tooLarge),
    ])

    static let image = ImageObject(
        ref: "python:3.12-slim", digest: "sha256:00", sizeBytes: 1, layers: 3, createdAt: time,
        config: .init(env: ["A": "b"], cwd: "/", user: "root", entrypoint: ["/init"], cmd: ["python3"]))
    static let plainImage = ImageObject(
        ref: "host", digest: "host", sizeBytes: 0, layers: 0, createdAt: time,
        config: .init(env: [:], cwd: "/", user: "root"))

    static let capabilities = Capabilities(
        runtimeState: .init(supported: false, reason: "ptrace is not allowed"), network: [.nat, .none],
        limits: .init(memory: .cgroup2, cpu: .cgroup1, pids: .rlimit, disk: .engine),
        images: [.host, .archive, .registry])
    static let host = HostFacts(
        kernel: "6.18.1", arch: "x86_64", rootless: true, subordinateIDs: true, store: "/var/lib/isorun",
        storeFilesystem: "ext4", reflink: false)

    static let results: [Sample] = [
        result(Initialize.self, .init(version: "0.1.0", capabilities: capabilities, host: host)),
        result(Shutdown.self, NullResult()),
        result(Discover.self, SchemaDocument.shared.root),
        result(SandboxCreate.self, fullSandbox), result(SandboxCreate.self, smallSandbox),
        result(
            SandboxExec.self,
            .init(
                exitCode: 137, signal: "SIGKILL", stdout: "a", stderr: "", duration: .milliseconds(5), timedOut: false,
                truncated: true, limits: [.disk, .memory, .pids])),
        result(
            SandboxExec.self,
            .init(
                exitCode: 0, signal: nil, stdout: "", stderr: "", duration: .zero, timedOut: false, truncated: false)),
        result(SandboxSnapshot.self, fullSnapshot), result(SandboxSnapshot.self, smallSnapshot),
        result(
            SandboxExplain.self,
            .init(processes: [
                ProcessVerdict(pid: 1, command: "init", verdict: .kept, resets: ["a timer"]),
                ProcessVerdict(pid: 2, command: "gdb", verdict: .lost, reason: "it traces another process"),
            ])),
        result(SandboxRestore.self, fullSandbox),
        result(SandboxFork.self, .init(sandboxes: [forkedSandbox, smallSandbox], pause: .microseconds(1))),
        result(SandboxRace.self, .init(winner: 0, sandbox: fullSandbox, results: [wonRace, lostRace])),
        result(SandboxRace.self, .init(winner: nil, sandbox: nil, results: [])),
        result(SandboxRollback.self, fullSandbox), result(SandboxHibernate.self, fullSandbox),
        result(SandboxResume.self, fullSandbox),
        result(SandboxDestroy.self, .init(cpuTime: .seconds(1), memPeakBytes: 4096, uptime: .seconds(100_000))),
        result(SandboxGet.self, fullSandbox), result(SandboxList.self, .init(sandboxes: [smallSandbox])),
        result(SandboxSetTimeout.self, fullSandbox),
        result(
            SandboxStats.self,
            .init(cpuTime: .milliseconds(1), memBytes: 1, memPeakBytes: 2, pids: 3, diskBytes: 4)),
        result(SandboxDiff.self, changes), result(SandboxDiff.self, textChanges),
        result(
            SandboxCommit.self,
            .init(
                changes: changes.changes,
                conflicts: CommitConflictObject.Reason.allCases.map { .init(path: "/home/me/a", reason: $0) },
                skipped: [.init(path: "/home/me/b", reason: "it is a fifo")])),
        result(SnapshotList.self, .init(snapshots: [fullSnapshot])), result(SnapshotGet.self, fullSnapshot),
        result(SnapshotDelete.self, NullResult()), result(SnapshotDiff.self, changes),
        result(SnapshotExport.self, .init(path: "/tmp/snap.zst", sizeBytes: 100)),
        result(SnapshotImport.self, fullSnapshot),
        result(ProcessStart.self, runningProcess), result(ProcessWrite.self, .init(written: 5)),
        result(ProcessCloseStdin.self, NullResult()), result(ProcessSignal.self, NullResult()),
        result(ProcessResize.self, NullResult()), result(ProcessAttach.self, .init(cursor: 0)),
        result(ProcessDetach.self, NullResult()), result(ProcessWait.self, exitedProcess),
        result(ProcessList.self, .init(processes: [runningProcess, exitedProcess])),
        result(ProcessGet.self, exitedProcess),
        result(FileRead.self, .init(data: "AA==", encoding: .base64, size: 1, eof: true)),
        result(FileWrite.self, .init(size: 3)), result(FileList.self, .init(entries: [file, link])),
        result(FileStat.self, .init(entry: file, uid: 0, gid: 0)),
        result(FileStat.self, .init(entry: link, uid: 1, gid: 1)), result(FileMakeDirectory.self, NullResult()),
        result(FileRemove.self, NullResult()), result(FileMove.self, NullResult()),
        result(FileCopyIn.self, .init(files: 1, bytes: 3)), result(FileCopyOut.self, .init(files: 1, bytes: 3)),
        result(ImageImport.self, image), result(ImagePull.self, image),
        result(ImageList.self, .init(images: [plainImage, image])), result(ImageGet.self, image),
        result(ImageRemove.self, NullResult()), result(ImageCommit.self, image),
        result(
            ImageExport.self, .init(ref: "app:1", path: "/tmp/app.tar", digest: "sha256:00", sizeBytes: 1)),
        result(PortForward.self, PortObject(port: 80, hostAddress: "127.0.0.1", hostPort: 1024)),
        result(PortClose.self, NullResult()),
        result(PortList.self, .init(ports: [PortObject(port: 80, hostAddress: "127.0.0.1", hostPort: 1024)])),
        result(EngineInfo.self, .init(version: "0.1.0", capabilities: capabilities, host: host)),
        result(
            EngineStats.self,
            .init(
                uptime: .seconds(1), sandboxesRunning: 1, sandboxesHibernated: 2, execsRunning: 3, requestsRunning: 4,
                memBytes: 5, openFiles: 6, queuedBytes: 7)),
        result(
            EngineCollectGarbage.self,
            .init(freedBytes: 1, removed: .init(layers: 1, snapshots: 2, sandboxes: 3, files: 4))),
    ]

    static let notifications: [Sample] = [
        notification(Progress(token: .int(1), value: .begin(title: "a", message: "b", percentage: 0))),
        notification(Progress(token: .string("t"), value: .begin(title: "a"))),
        notification(Progress(token: .string("t"), value: .report(message: "b", percentage: 100))),
        notification(Progress(token: .string("t"), value: .report())),
        notification(Progress(token: .string("t"), value: .report(completedBytes: 1, totalBytes: 2))),
        notification(Progress(token: .string("t"), value: .end(message: "b"))),
        notification(ExecOutput(token: .string("t"), stream: .stderr, data: "a", encoding: .utf8)),
        notification(
            ProcessOutput(
                sandboxID: fullSandbox.id, processID: "p1", stream: .stdout, data: "a", encoding: .utf8, cursor: 1)),
        notification(ProcessExited(sandboxID: fullSandbox.id, processID: "p1", exitCode: nil, signal: nil)),
        notification(ProcessExited(sandboxID: fullSandbox.id, processID: "p1", exitCode: 0, signal: nil)),
        notification(ProcessExited(sandboxID: fullSandbox.id, processID: "p1", exitCode: 143, signal: "SIGTERM")),
        notification(
            ProcessOutputEnded(sandboxID: fullSandbox.id, processID: "p1", stream: .stdout, reason: .interrupted)),
        notification(SandboxStatusChanged(sandboxID: fullSandbox.id, status: .hibernated, reason: "timeout")),
        notification(SandboxStatusChanged(sandboxID: fullSandbox.id, status: .error)),
        notification(SandboxLimitReached(sandboxID: fullSandbox.id, limit: .memory)),
        notification(SnapshotDurability(snapshotID: fullSnapshot.id, isDurable: true)),
        notification(SnapshotDurability(snapshotID: fullSnapshot.id, isDurable: false, reason: "the disk is full")),
    ]

    private static func result<Request: ProtocolRequest>(_ request: Request.Type, _ value: Request.Result) -> Sample {
        Sample(method: request.method, json: value.json)
    }

    private static func notification<Value: ServerNotification>(_ value: Value) -> Sample {
        Sample(method: Value.method, json: value.json)
    }
}
