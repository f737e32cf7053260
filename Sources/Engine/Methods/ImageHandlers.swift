import JSON
import Protocol
import Sandbox
import Store

enum ImageImportHandler: RequestHandler {
    typealias Request = ImageImport

    static func handle(_ params: ImageImport.Params, _ context: RequestContext) async throws -> ImageObject {
        try HostImageObject.refuse(params.ref, method: Request.method)
        let store = try context.runtime.store
        let imported = try await BlockingWork.runCancellable { isCancelled in
            do throws(StoreError) {
                return try store.importRootfs(from: params.path, as: params.ref, isCancelled: isCancelled)
            } catch {
                switch error {
                case .imageInvalid(let reason): throw ProtocolError.imageInvalid(params.ref, reason: reason)
                case .kernel(let error) where error.subject == params.path: throw SandboxError(error, path: params.path)
                default: throw error
                }
            }
        }
        let losses = imported.losses
        if losses != ImportLosses() {
            Log.write(
                "image \(params.ref): \(losses.foldedOwners) entries belong to root now, \(losses.droppedDevices) device "
                    + "nodes and \(losses.droppedAttributes) extended attributes were left out")
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
            return ImageObject(try store.image(named: params.ref), reference: params.ref)
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

extension ImageObject {
    init(_ image: ImageRecord, reference: String) {
        self.init(
            ref: reference, digest: image.digest.rawValue, sizeBytes: Int(image.sizeBytes),
            layers: image.layers.count, createdAt: Timestamp(image.createdAt),
            // A plain root filesystem asks for nothing.
            config: .init(env: [:], cwd: "/", user: "root", entrypoint: nil, cmd: nil))
    }
}
