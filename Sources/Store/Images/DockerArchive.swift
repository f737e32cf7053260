import JSON
import Kernel

/// What `docker save` and `podman save` write: `manifest.json` with a list of images, their configurations, and one archive for
/// each layer.
struct DockerArchive: ~Copyable {
    private let files: ImageFiles

    private struct Image {
        let config: FilePath
        let layers: [FilePath]
        let tags: [String]
    }

    static let marker: FilePath = "manifest.json"

    init(_ files: consuming ImageFiles) { self.files = files }

    /// Finds the image that is called `reference`, or the only one.
    ///
    /// - Throws: `imageInvalid`, naming the images when there are several.
    consuming func image(_ reference: String) throws(StoreError) -> ImageContents {
        let list = try ImageDocument(files.document(Self.marker), name: "'manifest.json' of the 'docker save' archive")
        guard let entries = list.json.arrayValue, !entries.isEmpty else {
            throw .imageInvalid(reason: "'manifest.json' of the 'docker save' archive lists no images")
        }
        let images = try entries.map(Self.image)
        let image = try choose(images, reference)
        let blobs = try image.layers.map { (path) throws(StoreError) -> (blob: FileRange, digest: ImageDigest?) in
            guard let file = try files.file(path) else { throw .imageInvalid(reason: "layer '\(path)' is missing") }
            return (file, Self.digest(namedBy: path))
        }
        let config = try files.document(image.config)
        if let announced = Self.digest(namedBy: image.config) {
            let digest = ImageDigest(of: config)
            if digest != announced { throw .wrongDigest(of: "configuration", announced, found: digest) }
        }
        return try ImageContents(config: config, blobs: blobs)
    }

    private static func image(_ json: JSONValue) throws(StoreError) -> Image {
        guard let config = json["Config"]?.stringValue.flatMap(FilePath.init),
            let layers = json["Layers"]?.arrayValue?.compactMap({ $0.stringValue.flatMap(FilePath.init) })
        else { throw .imageInvalid(reason: "'manifest.json' of the 'docker save' archive lacks Config or Layers") }
        let tags = json["RepoTags"]?.arrayValue?.compactMap(\.stringValue) ?? []
        return Image(config: config, layers: layers, tags: tags)
    }

    private func choose(_ images: [Image], _ reference: String) throws(StoreError) -> Image {
        if images.count == 1 { return images[0] }
        let wanted = ImageName(reference)
        let fitting = images.filter { $0.tags.contains { wanted.isCalled($0) } }
        if fitting.count == 1 { return fitting[0] }
        let names = images.flatMap(\.tags).sorted().joined(separator: ", ")
        throw .imageInvalid(
            reason: "it holds \(images.count) images (\(names)), of which none alone is called '\(reference)'; "
                + "import it by one of these names, or save one image")
    }

    /// Newer versions name files by their digests, as an OCI layout does.
    private static func digest(namedBy path: FilePath) -> ImageDigest? {
        guard path.hasPrefix("blobs/sha256/") else { return nil }
        return ImageDigest(rawValue: ImageDigest.algorithm + path.lastComponent.description)
    }
}
