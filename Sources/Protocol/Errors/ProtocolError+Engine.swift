import JSON

// The engine's own errors, in the order of their codes.
extension ProtocolError {
    public static func sandboxNotFound(_ id: String) -> ProtocolError {
        ProtocolError(.sandboxNotFound, "there is no sandbox `\(id)`", details: ["sandboxId": .string(id)])
    }

    /// An exec that was running when its sandbox was destroyed says what was printed until then.
    public static func sandboxDestroyed(_ id: String, output: PartialOutput? = nil) -> ProtocolError {
        var details = output?.details ?? [:]
        details["sandboxId"] = .string(id)
        return ProtocolError(.sandboxDestroyed, "the sandbox `\(id)` is destroyed", details: details)
    }

    public static func wrongState(
        _ id: String, status: SandboxStatus, allowed: [SandboxStatus]
    ) -> ProtocolError {
        let names = allowed.map(\.rawValue).joined(separator: " or ")
        return ProtocolError(
            .wrongState, "the sandbox `\(id)` is \(status.rawValue); this needs it to be \(names)",
            details: ["status": status.json, "allowed": allowed.json])
    }

    public static func sandboxFailed(_ id: String, reason: String) -> ProtocolError {
        ProtocolError(
            .sandboxFailed, "the sandbox `\(id)` failed: \(reason)",
            details: ["sandboxId": .string(id), "reason": .string(reason)])
    }

    public static func snapshotNotFound(_ id: String) -> ProtocolError {
        ProtocolError(.snapshotNotFound, "there is no snapshot `\(id)`", details: ["snapshotId": .string(id)])
    }

    public static func snapshotIncompatible(_ id: String, reason: String) -> ProtocolError {
        ProtocolError(
            .snapshotIncompatible, "the snapshot `\(id)` cannot be used here: \(reason)",
            details: ["snapshotId": .string(id), "reason": .string(reason)])
    }

    public static func snapshotCorrupt(_ id: String, reason: String) -> ProtocolError {
        ProtocolError(
            .snapshotCorrupt, "the snapshot `\(id)` is damaged: \(reason)",
            details: ["snapshotId": .string(id), "reason": .string(reason)])
    }

    public static func imageNotFound(_ ref: String) -> ProtocolError {
        ProtocolError(
            .imageNotFound, "there is no image `\(ref)`; bring it in by `image/import` or `image/pull`",
            details: ["ref": .string(ref)])
    }

    public static func imageInvalid(_ ref: String, reason: String) -> ProtocolError {
        ProtocolError(
            .imageInvalid, "`\(ref)` is not a usable image: \(reason)",
            details: ["ref": .string(ref), "reason": .string(reason)])
    }

    public static func imageInUse(_ ref: String, by users: [String]) -> ProtocolError {
        ProtocolError(
            .imageInUse, "the image `\(ref)` is used by \(users.joined(separator: ", "))",
            details: ["ref": .string(ref), "usedBy": users.json])
    }

    public static func pullFailed(_ ref: String, reason: String) -> ProtocolError {
        ProtocolError(
            .pullFailed, "the image `\(ref)` could not be pulled: \(reason)",
            details: ["ref": .string(ref), "reason": .string(reason)])
    }

    public static func processNotFound(_ id: String) -> ProtocolError {
        ProtocolError(.processNotFound, "there is no process `\(id)`", details: ["processId": .string(id)])
    }

    public static func commandNotFound(_ command: String) -> ProtocolError {
        ProtocolError(
            .commandNotFound, "the command `\(command)` was not found in the sandbox",
            details: ["command": .string(command)])
    }

    public static func commandNotExecutable(_ command: String, reason: String) -> ProtocolError {
        ProtocolError(
            .commandNotExecutable, "the command `\(command)` cannot be executed: \(reason)",
            details: ["command": .string(command), "reason": .string(reason)])
    }

    public static func stdinClosed(_ processID: String) -> ProtocolError {
        ProtocolError(
            .stdinClosed, "the standard input of the process `\(processID)` is closed",
            details: ["processId": .string(processID)])
    }

    public static func pathNotFound(_ path: String) -> ProtocolError {
        ProtocolError(.pathNotFound, "there is no `\(path)`", details: ["path": .string(path)])
    }

    public static func pathExists(_ path: String) -> ProtocolError {
        ProtocolError(.pathExists, "`\(path)` exists already", details: ["path": .string(path)])
    }

    public static func pathNotDirectory(_ path: String) -> ProtocolError {
        ProtocolError(.pathNotDirectory, "`\(path)` is not a directory", details: ["path": .string(path)])
    }

    public static func pathIsDirectory(_ path: String) -> ProtocolError {
        ProtocolError(.pathIsDirectory, "`\(path)` is a directory", details: ["path": .string(path)])
    }

    public static func permissionDenied(_ path: String, reason: String) -> ProtocolError {
        ProtocolError(
            .permissionDenied, "`\(path)`: permission denied: \(reason)",
            details: ["path": .string(path), "reason": .string(reason)])
    }

    /// A folder of the host that a commit names.
    public static func notCopiedFolder(_ path: String) -> ProtocolError {
        ProtocolError(
            .pathNotFound,
            "no folder `\(path)` was copied into the sandbox; name the `source` of a mount of mode `copy`",
            details: ["path": .string(path)])
    }

    /// `conflicts`: what has changed on the host since it was copied.
    public static func commitConflict(_ conflicts: [CommitConflictObject]) -> ProtocolError {
        let names = conflicts.prefix(5).map { "`\($0.path)` (\($0.reason.rawValue))" }.joined(separator: ", ")
        let more = conflicts.count > 5 ? " and \(conflicts.count - 5) more" : ""
        return ProtocolError(
            .commitConflict, "nothing was committed, because the host has changed since the copy: \(names)\(more)",
            details: ["conflicts": conflicts.json])
    }

    /// `processes`: those that `runtime:"require"` cannot keep.
    public static func runtimeStateUnsupported(_ processes: [RuntimeReport.Dropped]) -> ProtocolError {
        let names = processes.map { "\($0.command) (pid \($0.pid)): \($0.reason)" }.joined(separator: "; ")
        return ProtocolError(
            .runtimeStateUnsupported, "not every process can be kept: \(names)", details: ["processes": processes.json])
    }

    /// `limit`: the field or setting that set the limit, as `memMiB`.
    public static func limitExceeded(limit: String, _ message: String) -> ProtocolError {
        ProtocolError(.limitExceeded, message, details: ["limit": .string(limit)])
    }

    public static func noSpace(_ path: String) -> ProtocolError {
        ProtocolError(.noSpace, "no space is left for `\(path)`", details: ["path": .string(path)])
    }

    public static func hostFolderMissing(_ location: String, mountPoint: String) -> ProtocolError {
        ProtocolError(
            .pathNotFound,
            "the folder `\(location)` of the host, which is mounted at `\(mountPoint)`, is not there, or a symbolic link has "
                + "come into its path; bring it back and try again",
            details: ["path": .string(location)])
    }

    public static func diskFull(_ sandbox: String, limitMiB: Int) -> ProtocolError {
        ProtocolError(
            .noSpace,
            "sandbox `\(sandbox)` has no space left: its files may take \(limitMiB) MiB. Remove some of them.",
            details: ["path": .string("/")])
    }

    public static func networkUnavailable(reason: String, fix: String) -> ProtocolError {
        ProtocolError(
            .networkUnavailable, "the network mode `nat` is not available: \(reason). \(fix)",
            details: ["reason": .string(reason), "fix": .string(fix)])
    }

    public static func hostUnsupported(feature: String, reason: String, fix: String) -> ProtocolError {
        ProtocolError(
            .hostUnsupported, "this machine does not offer \(feature): \(reason). \(fix)",
            details: ["feature": .string(feature), "reason": .string(reason), "fix": .string(fix)])
    }

    public static func storeLocked(_ path: String, reason: String) -> ProtocolError {
        ProtocolError(
            .storeLocked, "the store `\(path)` is locked: \(reason)",
            details: ["path": .string(path), "reason": .string(reason)])
    }

    /// Damaged, of a newer version, something else than a store, or not accessible. An empty path: the engine's own store.
    public static func storeUnusable(_ path: String, reason: String) -> ProtocolError {
        ProtocolError(
            .storeCorrupt, "the store\(path.isEmpty ? "" : " `\(path)`") cannot be used: \(reason)",
            details: ["path": .string(path), "reason": .string(reason)])
    }
}
