/// How an image is imported.
public struct ImportOptions: Sendable {
    public var limits = ImageLimits()
    /// How many user and group ids sandboxes have, from 0. Files of others are given to root.
    public var idsPerSandbox: UInt32 = 65_536

    public init() {}
}
