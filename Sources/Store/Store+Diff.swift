import Kernel

/// One side of a comparison.
public struct DiffSide: Sendable {
    let layers: [LayerID]
    let image: ImageUse
    let upper: SandboxRecord?

    /// A sandbox as it is now, its unsealed upper included.
    public static func sandbox(_ sandbox: SandboxRecord) -> DiffSide {
        DiffSide(layers: sandbox.layers, image: sandbox.image, upper: sandbox)
    }

    public static func snapshot(_ snapshot: SnapshotRecord) -> DiffSide {
        DiffSide(layers: snapshot.layers, image: snapshot.image, upper: nil)
    }

    /// Sealed layers above an image, topmost first.
    public static func layers(_ layers: [LayerID], image: ImageUse) -> DiffSide {
        DiffSide(layers: layers, image: image, upper: nil)
    }

    public static func image(_ image: ImageUse) -> DiffSide { DiffSide(layers: [], image: image, upper: nil) }
}

extension Store {
    /// What changed in the files from one state to another, sorted by path.
    ///
    /// - Parameter base: the host's folders beneath the layers, for sides that stand on the image `host`.
    /// - Throws: `cancelled`, `storeCorrupt` when a layer is missing, `treeTooDeep`, `kernel`.
    public func diff(
        from before: DiffSide, to after: DiffSide, base: [BaseFolder] = [],
        isCancelled: @escaping @Sendable () -> Bool = { false }
    ) throws(StoreError) -> [LayerChange] {
        try LayerDiff.changes(
            from: stack(before, base: base), to: stack(after, base: base), isCancelled: isCancelled)
    }

    func stack(_ side: DiffSide, base: [BaseFolder]) throws(StoreError) -> LayerStack {
        // In their shortest form, so that equal histories look equal.
        try stack(
            shortened(side.layers), image: side.image, base: base,
            upper: side.upper.map { (sandbox) throws(StoreError) in try openUpper(of: sandbox) })
    }

    /// Opens a chain of layers with what lies beneath, and with an upper on top if there is one.
    func stack(
        _ chain: [LayerID], image: ImageUse, base: [BaseFolder], upper: consuming OwnedFD? = nil
    ) throws(StoreError) -> LayerStack {
        var layers: [(name: LayerID?, content: SharedDirectory)] = []
        if let upper { layers.append((nil, SharedDirectory(upper))) }
        for layer in chain + image.layers { layers.append((layer, SharedDirectory(try openContent(layer)))) }
        return LayerStack(layers, base: image.digest == nil ? base : [])
    }
}
