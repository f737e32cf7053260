import Kernel
import Protocol
import Sandbox

enum FileReadHandler: RequestHandler {
    typealias Request = FileRead

    static func handle(_ params: FileRead.Params, _ context: RequestContext) async throws -> FileRead.Result {
        let manager = try context.runtime.manager
        return try await BlockingWork.run {
            let piece = try manager.sandbox(params.sandboxID).files()
                .read(params.path, offset: Int64(params.offset), length: params.length)
            return FileRead.Result(
                data: params.encoding.encode(piece.bytes), encoding: params.encoding, size: Int(piece.size),
                eof: piece.isEnd)
        }
    }
}

enum FileWriteHandler: RequestHandler {
    typealias Request = FileWrite

    static func handle(_ params: FileWrite.Params, _ context: RequestContext) async throws -> FileWrite.Result {
        let manager = try context.runtime.manager
        return try await BlockingWork.run {
            let sandbox = try manager.sandbox(params.sandboxID)
            try sandbox.requireSpace(for: Int64(params.data.count))
            let size = try sandbox.files()
                .write(
                    params.data, to: params.path, permissions: params.mode.map(UInt32.init), append: params.append,
                    createParents: params.createParents)
            return FileWrite.Result(size: Int(size))
        }
    }
}

enum FileListHandler: RequestHandler {
    typealias Request = FileList

    static func handle(_ params: FileList.Params, _ context: RequestContext) async throws -> FileList.Result {
        let manager = try context.runtime.manager
        return try await BlockingWork.run {
            let entries = try manager.sandbox(params.sandboxID).files().list(params.path, recursive: params.recursive)
            return FileList.Result(entries: entries.map(FileEntry.init))
        }
    }
}

enum FileStatHandler: RequestHandler {
    typealias Request = FileStat

    static func handle(_ params: FileStat.Params, _ context: RequestContext) async throws -> FileStat.Result {
        let manager = try context.runtime.manager
        return try await BlockingWork.run {
            let entry = try manager.sandbox(params.sandboxID).files().entry(at: params.path)
            return FileStat.Result(entry: FileEntry(entry), uid: Int(entry.owner), gid: Int(entry.group))
        }
    }
}

enum FileMakeDirectoryHandler: RequestHandler {
    typealias Request = FileMakeDirectory

    static func handle(_ params: FileMakeDirectory.Params, _ context: RequestContext) async throws -> NullResult {
        let manager = try context.runtime.manager
        try await BlockingWork.run {
            try manager.sandbox(params.sandboxID).files().makeDirectory(params.path, parents: params.parents)
        }
        return NullResult()
    }
}

enum FileRemoveHandler: RequestHandler {
    typealias Request = FileRemove

    static func handle(_ params: FileRemove.Params, _ context: RequestContext) async throws -> NullResult {
        let manager = try context.runtime.manager
        try await BlockingWork.run {
            try manager.sandbox(params.sandboxID).files().remove(params.path, recursive: params.recursive)
        }
        return NullResult()
    }
}

enum FileMoveHandler: RequestHandler {
    typealias Request = FileMove

    static func handle(_ params: FileMove.Params, _ context: RequestContext) async throws -> NullResult {
        let manager = try context.runtime.manager
        try await BlockingWork.run {
            try manager.sandbox(params.sandboxID).files().move(params.from, to: params.to)
        }
        return NullResult()
    }
}

enum FileCopyInHandler: RequestHandler {
    typealias Request = FileCopyIn

    static func handle(_ params: FileCopyIn.Params, _ context: RequestContext) async throws -> CopyResult {
        let manager = try context.runtime.manager
        let copied = try await BlockingWork.runCancellable { isCancelled in
            try manager.sandbox(params.sandboxID)
                .copyIn(params.source, to: params.path, isCancelled: isCancelled)
        }
        return CopyResult(files: Int(copied.files), bytes: Int(copied.bytes))
    }
}

enum FileCopyOutHandler: RequestHandler {
    typealias Request = FileCopyOut

    static func handle(_ params: FileCopyOut.Params, _ context: RequestContext) async throws -> CopyResult {
        let manager = try context.runtime.manager
        let owner = context.session.launch.hostOwner
        let copied = try await BlockingWork.runCancellable { isCancelled in
            try manager.sandbox(params.sandboxID).files()
                .copyOut(params.path, to: params.destination, owner: owner, isCancelled: isCancelled)
        }
        return CopyResult(files: Int(copied.files), bytes: Int(copied.bytes))
    }
}

extension FileEntry {
    init(_ entry: FileAccess.Entry) {
        self.init(
            name: entry.name, type: .init(entry.kind), size: Int(entry.size), mode: Int(entry.permissions),
            modified: Timestamp(entry.modified), target: entry.target)
    }
}
