import Kernel
import Protocol
import Sandbox
import Store

enum ImageImportHandler: RequestHandler {
    typealias Request = ImageImport

    static func handle(_ params: ImageImport.Params, _ context: RequestContext) async throws -> ImageObject {
        try HostImageObject.refuse(params.ref, method: Request.method)
        let runtime = try context.runtime
        let options = ImportOptions(context.session.launch)
        let imported = try await BlockingWork.runCancellable { isCancelled in
            let monitor = ImageMonitor(isCancelled: isCancelled) { context.report($0, "unpacking") }
            do throws(StoreError) {
                return try runtime.store.importImage(
                    from: params.path, as: params.ref, options: options, monitor: monitor)
            } catch {
                if case .kernel(let error) = error, error.subject == params.path {
                    throw SandboxError(error, path: params.path)
                }
                throw named(params.ref, error)
            }
        }
        return context.arrived(imported, params.ref, runtime)
    }
}

enum ImagePullHandler: RequestHandler {
    typealias Request = ImagePull

    static func handle(_ params: ImageOnlyParams, _ context: RequestContext) async throws -> ImageObject {
        try HostImageObject.refuse(params.ref, method: Request.method)
        let runtime = try context.runtime
        let launch = context.session.launch
        guard let skopeo = Skopeo(hostUser: launch.hostUser) else {
            throw ProtocolError.hostUnsupported(
                feature: "skopeo", reason: "there is no skopeo in the engine's PATH, which copies from registries",
                fix: "Install the package skopeo, or bring the image in by `image/import`.")
        }
        let imported = try await BlockingWork.runCancellable { isCancelled in
            let monitor = ImageMonitor(isCancelled: isCancelled) { context.report($0, "unpacking") }
            do throws(StoreError) {
                return try runtime.store.pullImage(
                    params.ref, with: skopeo, options: ImportOptions(launch), monitor: monitor
                ) { context.report($0, "downloading") }
            } catch {
                throw named(params.ref, error)
            }
        }
        return context.arrived(imported, params.ref, runtime)
    }
}

/// An error with the name of the image that it concerns.
private func named(_ reference: String, _ error: StoreError) -> any Error {
    switch error {
    case .imageInvalid(let reason): ProtocolError.imageInvalid(reference, reason: reason)
    case .pullFailed(let reason): ProtocolError.pullFailed(reference, reason: reason)
    default: error
    }
}

enum ImageCommitHandler: RequestHandler {
    typealias Request = ImageCommit

    static func handle(_ params: ImageCommit.Params, _ context: RequestContext) async throws -> ImageObject {
        try HostImageObject.refuse(params.ref, method: Request.method)
        let manager = try context.runtime.manager
        let image = try await BlockingWork.runCancellable { isCancelled in
            do throws(SandboxError) {
                return try manager.commitImage(params.snapshotID, as: params.ref, isCancelled: isCancelled)
            } catch {
                if case .store(let error) = error { throw named(params.ref, error) }
                throw error
            }
        }
        return ImageObject(image, reference: params.ref)
    }
}

enum ImageExportHandler: RequestHandler {
    typealias Request = ImageExport

    static func handle(_ params: ImageExport.Params, _ context: RequestContext) async throws -> ImageExport.Result {
        try HostImageObject.refuse(params.ref, method: Request.method)
        let manager = try context.runtime.manager
        let owner = context.session.launch.hostOwner
        let exported = try await BlockingWork.runCancellable { isCancelled in
            let monitor = ImageMonitor(isCancelled: isCancelled) { context.report($0, "packing") }
            return try manager.exportImage(
                params.ref, to: params.path, .init(params.compression), owner: owner, monitor: monitor)
        }
        return ImageExport.Result(
            ref: params.ref, path: params.path, digest: exported.digest.rawValue, sizeBytes: Int(exported.sizeBytes))
    }
}

extension LayerCompression {
    init(_ compression: ImageExport.Compression) {
        self =
            switch compression {
            case .gzip: .gzip
            case .zstd: .zstd
            case .none: .none
            }
    }
}

enum ImageListHandler: RequestHandler {
    typealias Request = ImageList

    static func handle(_ params: NoParams, _ context: RequestContext) async throws -> ImageList.Result {
        let store = try context.runtime.store
        return try await BlockingWork.run {
            let listing = try store.listReferences()
            for (name, error) in listing.damaged { Log.write("image reference \(name) is left out: \(error)") }
            return ImageList.Result(
                images: try [HostImageObject.make()]
                    + listing.records.map { ImageObject(try store.image($0.digest), reference: $0.reference) })
        }
    }
}

enum ImageGetHandler: RequestHandler {
    typealias Request = ImageGet

    static func handle(_ params: ImageOnlyParams, _ context: RequestContext) async throws -> ImageObject {
        let store = try context.runtime.store
        return try await BlockingWork.run {
            if params.ref == ImageUse.host.reference { return try HostImageObject.make() }
            let found = try store.reference(named: params.ref)
            return ImageObject(try store.image(found.digest), reference: found.reference)
        }
    }
}

enum ImageRemoveHandler: RequestHandler {
    typealias Request = ImageRemove

    static func handle(_ params: ImageOnlyParams, _ context: RequestContext) async throws -> NullResult {
        try HostImageObject.refuse(params.ref, method: Request.method)
        let runtime = try context.runtime
        try await BlockingWork.run { try runtime.manager.removeImage(params.ref) }
        return NullResult()
    }
}

extension ImportOptions {
    init(_ launch: Launch) {
        self.init()
        idsPerSandbox = launch.ids.idsPerSandbox
    }
}

extension RequestContext {
    fileprivate func report(_ progress: ImageProgress, _ what: String) {
        let percentage = progress.totalBytes > 0 ? Int(100 * progress.completedBytes / progress.totalBytes) : nil
        report(
            .report(
                message: what, percentage: percentage, completedBytes: Int(progress.completedBytes),
                totalBytes: Int(progress.totalBytes)))
    }

    /// What is to be done when an image is there.
    fileprivate func arrived(_ imported: ImportedImage, _ reference: String, _ runtime: EngineRuntime) -> ImageObject {
        runtime.manager.imageArrived()
        if let losses = imported.losses.sentence {
            Log.write("image \(reference): \(losses)")
            report(.report(message: losses))
        }
        return ImageObject(imported.image, reference: reference)
    }
}

extension ImageObject {
    init(_ image: ImageRecord, reference: String) {
        self.init(
            ref: reference, digest: image.digest.rawValue, sizeBytes: Int(image.sizeBytes),
            layers: image.layers.count, createdAt: Timestamp(image.createdAt), config: Config(image.settings))
    }
}

extension ImageObject.Config {
    init(_ settings: ImageSettings) {
        self.init(
            env: settings.environment, cwd: settings.directory, user: settings.user, entrypoint: settings.entrypoint,
            cmd: settings.command)
    }
}
