import Kernel
import Protocol
import Sandbox
import Store

enum SandboxDiffHandler: RequestHandler {
    typealias Request = SandboxDiff

    static func handle(_ params: SandboxDiff.Params, _ context: RequestContext) async throws -> ChangesResult {
        let manager = try context.runtime.manager
        guard params.path != nil || params.text else {
            return try await BlockingWork.run {
                ChangesResult(
                    changes: try manager.changes(of: try manager.sandbox(params.sandboxID), since: params.against)
                        .map { FileChange($0) })
            }
        }
        return try await BlockingWork.runCancellable { isCancelled in
            let found = try manager.changes(
                of: try manager.sandbox(params.sandboxID), at: params.path ?? "/", since: params.against)
            if !params.text { return ChangesResult(changes: found.map { FileChange($0.change) }) }
            var texts = try manager.textDiffs()
            var changes: [FileChange] = []
            for entry in found {
                if isCancelled() { throw CancellationError() }
                changes.append(FileChange(entry.change, try texts.text(of: entry, isCancelled: isCancelled)))
            }
            return ChangesResult(changes: changes)
        }
    }
}

enum SandboxCommitHandler: RequestHandler {
    typealias Request = SandboxCommit

    static func handle(_ params: SandboxCommit.Params, _ context: RequestContext) async throws -> SandboxCommit.Result {
        let manager = try context.runtime.manager
        for path in params.paths ?? [] where path.hasPrefix("/") || path.split(separator: "/").contains("..") {
            throw ProtocolError.invalidParams(
                method: SandboxCommit.method, field: "paths",
                "must hold paths relative to `source`, without `..`, not `\(path)`")
        }
        let launch = context.session.launch
        let options = CommitOptions(
            paths: params.paths, isRehearsal: params.dryRun, owner: launch.hostOwner, keepsOwners: launch.ids == .root)
        let report = try await BlockingWork.runCancellable { isCancelled in
            try manager.commit(
                try manager.sandbox(params.sandboxID), params.source, options, isCancelled: isCancelled)
        }
        return SandboxCommit.Result(
            changes: report.changes.map { FileChange($0) },
            conflicts: report.conflicts.map { CommitConflictObject(path: $0.path, reason: .init($0.reason)) },
            skipped: report.skipped.map { SkippedPath(path: $0.path, reason: $0.reason) })
    }
}

extension FileChange {
    init(_ change: LayerChange, _ text: ChangeText? = nil) {
        let diff: String?
        let omission: DiffOmission?
        switch text {
        case .unified(let text): (diff, omission) = (text, nil)
        case .binary: (diff, omission) = (nil, .binary)
        case .tooLarge: (diff, omission) = (nil, .tooLarge)
        case nil: (diff, omission) = (nil, nil)
        }
        self.init(
            path: change.path, kind: change.kind, type: change.type, size: change.size, diff: diff,
            diffOmitted: omission)
    }
}

extension CommitConflictObject.Reason {
    init(_ reason: CommitConflict.Reason) {
        self =
            switch reason {
            case .addedOnHost: .addedOnHost
            case .changedOnHost: .changedOnHost
            case .deletedOnHost: .deletedOnHost
            }
    }
}
