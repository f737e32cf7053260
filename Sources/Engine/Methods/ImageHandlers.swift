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
            let monitor = ImportMonitor(isCancelled: isCancelled) { context.report($0) }
            do throws(StoreError) {
                return try runtime.store.importImage(
                    from: params.path, as: params.ref, options: options, monitor: monitor)
            } catch {
                switch error {
                case .imageInvalid(let reason): throw ProtocolError.imageInvalid(params.ref, reason: reason)
                case .kernel(let error) where error.subject == params.path: throw SandboxError(error, path: params.path)
                default: throw error
                }
            }
        }
        runtime.manager.imageArrived()
        if let losses = imported.losses.sentence {
            Log.write("image \(params.ref): \(losses)")
            context.report(.report(message: losses))
        }
        return ImageObject(imported.image, reference: params.ref)
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
    fileprivate func report(_ progress: ImportProgress) {
        let percentage = progress.totalBytes > 0 ? Int(100 * progress.completedBytes / progress.totalBytes) : nil
        report(
            .report(
                message: "unpacking", percentage: percentage, completedBytes: Int(progress.completedBytes),
                totalBytes: Int(progress.totalBytes)))
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
