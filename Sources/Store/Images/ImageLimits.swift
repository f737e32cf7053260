/// Bounds for what is imported, so that a small file cannot fill the disk or keep the engine busy for hours.
public struct ImageLimits: Sendable {
    /// All layers of an image decompressed, in bytes. The largest images in wide use unpack to 10 to 20 GB.
    public var maxUnpackedBytes: Int64 = 64 << 30
    /// Entries of all layers of an image. A full desktop distribution has about half a million.
    public var maxEntries = 5_000_000
    /// Decompressed bytes for each compressed one. System files reach 10, and text 30; deflate ends at 1032.
    public var maxRatio: Int64 = 200
    /// The ratio counts from so many decompressed bytes on: a small archive may be all zeroes.
    public var ratioGraceBytes: Int64 = 128 << 20
    /// Members of an archive that holds images. One image has some hundreds at most.
    public var maxMembers = 100_000
    /// Docker ends at 127; an overlay takes 500, of which a sandbox's own history needs some.
    public var maxLayers = 256

    public init() {}
}
