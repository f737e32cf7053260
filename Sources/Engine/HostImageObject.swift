import Kernel
import Protocol
import Store

/// The built-in image `host` as clients see it: it is always there, and nothing of it lies in the store.
enum HostImageObject {
    static func make() throws -> ImageObject {
        let root = try OwnedFD.open("/", .directory)
        return ImageObject(
            ref: ImageUse.host.reference, digest: ImageUse.host.reference, sizeBytes: 0, layers: 0,
            createdAt: Timestamp(try root.status().modified),
            config: .init(.none))
    }

    /// - Throws: `invalidParams` when `reference` is this image's, for methods that would change it.
    static func refuse(_ reference: String, method: String) throws(ProtocolError) {
        if reference != ImageUse.host.reference { return }
        throw .invalidParams(
            method: method, field: "ref", "names the built-in image, which cannot be replaced, removed or exported")
    }
}
