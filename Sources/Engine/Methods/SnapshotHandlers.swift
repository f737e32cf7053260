import Protocol
import Sandbox
import Store

enum SnapshotListHandler: RequestHandler {
    typealias Request = SnapshotList

    static func handle(_ params: SnapshotList.Params, _ context: RequestContext) async throws -> SnapshotList.Result {
        let store = try context.runtime.store
        let listing = try await BlockingWork.run { try store.listSnapshots() }
        for (id, error) in listing.damaged { Log.write("snapshot \(id) is left out of the list: \(error)") }
        let snapshots = listing.records.compactMap(SnapshotObject.init)
        return SnapshotList.Result(
            snapshots: snapshots.filter { snapshot in
                (params.sandboxID ?? snapshot.sandboxID) == snapshot.sandboxID
                    && snapshot.labels.contains(params.labels)
            })
    }
}

enum SnapshotGetHandler: RequestHandler {
    typealias Request = SnapshotGet

    static func handle(_ params: SnapshotOnlyParams, _ context: RequestContext) async throws -> SnapshotObject {
        let manager = try context.runtime.manager
        let (record, facts) = try await BlockingWork.run { try manager.snapshotRecord(params.snapshotID) }
        return SnapshotObject(record, facts.report, memoryBytes: facts.memoryBytes, pauseMs: facts.pauseMs)
    }
}

enum SnapshotDeleteHandler: RequestHandler {
    typealias Request = SnapshotDelete

    static func handle(_ params: SnapshotOnlyParams, _ context: RequestContext) async throws -> NullResult {
        let manager = try context.runtime.manager
        try await BlockingWork.run { try manager.deleteSnapshot(params.snapshotID) }
        return NullResult()
    }
}

enum SnapshotExportHandler: RequestHandler {
    typealias Request = SnapshotExport

    static func handle(_ params: SnapshotExport.Params, _ context: RequestContext) async throws -> SnapshotExport.Result
    {
        let manager = try context.runtime.manager
        let owner = context.session.launch.hostOwner
        let size = try await BlockingWork.runCancellable { isCancelled in
            try manager.exportSnapshot(params.snapshotID, to: params.path, owner: owner, isCancelled: isCancelled)
        }
        return SnapshotExport.Result(path: params.path, sizeBytes: Int(size))
    }
}

enum SnapshotImportHandler: RequestHandler {
    typealias Request = SnapshotImport

    static func handle(_ params: SnapshotImport.Params, _ context: RequestContext) async throws -> SnapshotObject {
        let manager = try context.runtime.manager
        let (record, facts) = try await BlockingWork.runCancellable { isCancelled in
            try manager.importSnapshot(from: params.path, isCancelled: isCancelled)
        }
        return SnapshotObject(record, facts.report, memoryBytes: facts.memoryBytes, pauseMs: facts.pauseMs)
    }
}

enum SnapshotDiffHandler: RequestHandler {
    typealias Request = SnapshotDiff

    static func handle(_ params: SnapshotDiff.Params, _ context: RequestContext) async throws -> ChangesResult {
        let manager = try context.runtime.manager
        return try await BlockingWork.run {
            ChangesResult(
                changes: try manager.changes(from: params.from, to: params.to)
                    .map { Protocol.FileChange(path: $0.path, kind: $0.kind, type: $0.type, size: $0.size) })
        }
    }
}
