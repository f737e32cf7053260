import JSON
import Kernel

/// An OCI image layout (OCI image specification, image-layout.md), in a folder or an archive.
struct OCILayout: ~Copyable {
    private let files: ImageFiles
    private var candidates: [Candidate] = []
    /// What was passed over because it is for other machines.
    private var foreign: [ImagePlatform] = []

    private struct Candidate {
        let descriptor: OCIDescriptor
        /// What the layout calls it, outermost last.
        let names: [String]
    }

    /// An index may point to indexes; nobody writes more than two levels.
    private static let maxDepth = 4
    private static let maxManifests = 1024
    private static let nameKeys = ["org.opencontainers.image.ref.name", "io.containerd.image.name"]

    static let marker: FilePath = "oci-layout"

    init(_ files: consuming ImageFiles) { self.files = files }

    /// Finds the image that is called `reference`, or the only one.
    ///
    /// - Throws: `imageInvalid`, naming the images when there are several; what the layout lacks; wrong digests.
    consuming func image(_ reference: String) throws(StoreError) -> ImageContents {
        let marker = try ImageDocument(files.document(Self.marker), name: "'oci-layout'")
        let version = marker.json["imageLayoutVersion"]?.stringValue ?? "none"
        if !version.hasPrefix("1.") {
            throw .imageInvalid(reason: "it is an OCI layout of version \(version.prefix(20)); only 1 is known")
        }
        try collect(ImageDocument(files.document("index.json"), name: "'index.json'").json, names: [], depth: 0)
        return try contents(of: choose(reference))
    }

    private mutating func collect(_ index: JSONValue, names: [String], depth: Int) throws(StoreError) {
        if depth > Self.maxDepth { throw .imageInvalid(reason: "its indexes are nested too deeply") }
        guard let manifests = index["manifests"]?.arrayValue else {
            throw .imageInvalid(reason: "an index of it lists no manifests")
        }
        for entry in manifests {
            let descriptor = try OCIDescriptor(entry)
            if let platform = descriptor.platform, !platform.isThisMachine {
                foreign.append(platform)
                continue
            }
            let names = Self.nameKeys.compactMap { descriptor.annotations[$0] } + names
            switch descriptor.role {
            case .manifest: candidates.append(Candidate(descriptor: descriptor, names: names))
            case .index:
                let inner = try ImageDocument(files.document(descriptor), name: "an index")
                try collect(inner.json, names: names, depth: depth + 1)
            case .other("") where depth == 0: candidates.append(Candidate(descriptor: descriptor, names: names))
            case .config, .layer, .other: continue
            }
            if candidates.count > Self.maxManifests { throw .imageInvalid(reason: "it lists too many manifests") }
        }
    }

    private func choose(_ reference: String) throws(StoreError) -> OCIDescriptor {
        if candidates.isEmpty, let platform = foreign.first {
            try platform.requireThisMachine()
        }
        guard let first = candidates.first else { throw .imageInvalid(reason: "the OCI layout lists no image") }
        if candidates.allSatisfy({ $0.descriptor.digest == first.descriptor.digest }) { return first.descriptor }
        let wanted = ImageName(reference)
        let fitting = candidates.filter { $0.names.contains { wanted.isCalled($0) } }
        if let only = fitting.first, fitting.allSatisfy({ $0.descriptor.digest == only.descriptor.digest }) {
            return only.descriptor
        }
        let names = candidates.compactMap(\.names.first).sorted().joined(separator: ", ")
        throw .imageInvalid(
            reason: "it holds \(candidates.count) images (\(names)), of which none alone is called '\(reference)'; "
                + "import it by one of these names, or a layout with one image")
    }

    private func contents(of descriptor: OCIDescriptor) throws(StoreError) -> ImageContents {
        let manifest = try ImageDocument(files.document(descriptor), name: "the manifest").json
        let config = try OCIDescriptor(manifest["config"])
        if config.role != .config {
            if case .other(let type) = config.role {
                throw .imageInvalid(reason: "it is no container image but holds '\(type.prefix(100))'")
            }
            throw .imageInvalid(reason: "its manifest names something else as its configuration")
        }
        guard let entries = manifest["layers"]?.arrayValue else {
            throw .imageInvalid(reason: "its manifest lists no layers")
        }
        var blobs: [(blob: FileRange, digest: ImageDigest?)] = []
        for entry in entries {
            let layer = try OCIDescriptor(entry)
            guard layer.role == .layer else {
                let type = entry["mediaType"]?.stringValue ?? "none"
                throw .imageInvalid(
                    reason: "layer \(layer.digest) has the media type '\(type.prefix(100))', which is unknown")
            }
            blobs.append((try files.blob(layer), layer.digest))
        }
        return try ImageContents(config: files.document(config), blobs: blobs)
    }
}
