import JSON
import Kernel

/// The image that a sandbox stands on, as its records keep it.
public struct ImageUse: Sendable, Hashable {
    /// As people write it: `python:3.12-slim`, or `host`.
    public let reference: String
    /// nil for the built-in image `host`, which has no files in the store.
    public let digest: ImageDigest?
    /// The image's layers, topmost first; none for `host`.
    public let layers: [LayerID]

    public init(reference: String, digest: ImageDigest?, layers: [LayerID]) {
        self.reference = reference
        self.digest = digest
        self.layers = layers
    }

    public static let host = ImageUse(reference: "host", digest: nil, layers: [])
}

/// What the store keeps of a sandbox.
public struct SandboxRecord: Sendable {
    public enum State: String, Sendable {
        case running, hibernated
    }

    public let id: SandboxID
    public var name: String?
    public var labels: [String: String]
    public var state: State
    /// The engine that runs it; of a hibernated one, the engine that ran it last.
    public internal(set) var owner: EngineID
    public let image: ImageUse
    /// The sealed layers between the image and the sandbox's own upper, topmost first.
    public var layers: [LayerID]
    /// Layers that are kept for comparisons, whether they still are among `layers` or not.
    public var baseLayers: [LayerID] = []
    /// The folder of files that is the sandbox's own: its upper and work folders.
    public internal(set) var files: FilesID
    /// Where further overlays are mounted over the root one, as `/usr`; their uppers lie in the one upper.
    public let overlayMountPoints: [FilePath]
    public let createdAt: FileTime
    public var parentSnapshot: SnapshotID?
    /// The caller's own: environment, limits, network and so on.
    public var config: JSONValue
}

/// What `Store.createSandbox` needs to know.
public struct NewSandbox: Sendable {
    public var id: SandboxID
    public var name: String?
    public var labels: [String: String]
    public var image: ImageUse
    /// Sealed layers above the image, topmost first; empty for a new sandbox, a snapshot's for a restored one.
    public var layers: [LayerID]
    /// As `SandboxRecord.baseLayers`.
    public var baseLayers: [LayerID]
    public var overlayMountPoints: [FilePath]
    /// What `makeSpareFiles` made for these mount points; nil to make it here.
    public var files: FilesID?
    public var parentSnapshot: SnapshotID?
    public var config: JSONValue

    public init(
        id: SandboxID = .random(), name: String? = nil, labels: [String: String] = [:], image: ImageUse,
        layers: [LayerID] = [], baseLayers: [LayerID] = [], overlayMountPoints: [FilePath] = [], files: FilesID? = nil,
        parentSnapshot: SnapshotID? = nil, config: JSONValue = .null
    ) {
        self.id = id
        self.name = name
        self.labels = labels
        self.image = image
        self.layers = layers
        self.baseLayers = baseLayers
        self.overlayMountPoints = overlayMountPoints
        self.files = files
        self.parentSnapshot = parentSnapshot
        self.config = config
    }
}

/// What the store keeps of a snapshot; its manifest.
public struct SnapshotRecord: Sendable {
    public let id: SnapshotID
    public var name: String?
    public var labels: [String: String]
    public var sandbox: SandboxID
    public var parentSnapshot: SnapshotID?
    public var image: ImageUse
    /// The whole chain of sealed layers above the image, topmost first.
    public var layers: [LayerID]
    /// As `SandboxRecord.baseLayers`.
    public var baseLayers: [LayerID]
    public var createdAt: FileTime
    /// What the snapshot's own layers take on disk, in bytes.
    public var sizeBytes: Int64
    /// The caller's own: environment, limits, runtime report and so on.
    public var config: JSONValue

    public init(
        id: SnapshotID = .random(), name: String? = nil, labels: [String: String] = [:], sandbox: SandboxID,
        parentSnapshot: SnapshotID? = nil, image: ImageUse, layers: [LayerID], baseLayers: [LayerID] = [],
        createdAt: FileTime = .now, sizeBytes: Int64, config: JSONValue = .null
    ) {
        self.id = id
        self.name = name
        self.labels = labels
        self.sandbox = sandbox
        self.parentSnapshot = parentSnapshot
        self.image = image
        self.layers = layers
        self.baseLayers = baseLayers
        self.createdAt = createdAt
        self.sizeBytes = sizeBytes
        self.config = config
    }
}

/// What a layer's own `layer.json` tells.
struct LayerRecord: Sendable {
    let id: LayerID
    let createdAt: FileTime
    /// 0 for a layer as it was sealed, copied or unpacked; of a merged one, one more than of what it replaces.
    var generation: Int64 = 0
    /// The layers that a merged one stands for, topmost first.
    var replaces: [LayerID] = []
}

/// An image in the store.
public struct ImageRecord: Sendable {
    public let digest: ImageDigest
    /// Topmost first.
    public let layers: [LayerID]
    public let createdAt: FileTime
    /// What its layers take on disk, in bytes.
    public let sizeBytes: Int64
    /// Environment, working directory and user that the image asks for; empty for a plain root filesystem.
    public let config: JSONValue
}
