/// What the layers of an exported image are compressed with.
public enum LayerCompression: String, Sendable, CaseIterable {
    /// What every tool reads.
    case gzip
    /// Several times as fast, and smaller; for tools from 2021 on.
    case zstd
    case none

    /// As the layer's descriptor tells it (OCI image specification, layer.md).
    var mediaType: String {
        let tar = "application/vnd.oci.image.layer.v1.tar"
        return self == .none ? tar : "\(tar)+\(rawValue)"
    }
}
