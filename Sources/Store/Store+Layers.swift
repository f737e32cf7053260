import Kernel

extension Store {
    /// The folder that a layer's files lie in, for `lowerdir`.
    public func contentPath(_ layer: LayerID) -> String { path("layers", layer.rawValue, "content") }

    /// The layer's files, opened.
    public func openContent(_ layer: LayerID) throws(StoreError) -> OwnedFD {
        do throws(KernelError) {
            return try layers.open(contentName(layer), [.read, .directory])
        } catch {
            if error.errno == .noSuchFile { throw .storeCorrupt(reason: "layer \(layer) is missing") }
            throw StoreError(error)
        }
    }

    /// Which folder it is that the layer's files lie in: another one when the layer was removed and came again.
    public func contentIdentity(_ layer: LayerID) throws(StoreError) -> FileIdentity {
        let status = try onDisk { () throws(KernelError) in try layers.statusIfPresent(of: contentName(layer)) }
        guard let status else { throw .storeCorrupt(reason: "layer \(layer) is missing") }
        return status.identity
    }

    private func contentName(_ layer: LayerID) -> FilePath {
        FilePath(verbatim: "\(layer)/\(StoreLayout.content)")
    }

    /// The read-only side of a sandbox's overlay at `mountPoint`: folders of its layers and then of the image,
    /// topmost first. Under a mount point other than `/`, layers that have no folder there are left out.
    public func lowerPaths(of sandbox: SandboxRecord, at mountPoint: FilePath = "/") throws(StoreError) -> [String] {
        let chain = sandbox.layers + sandbox.image.layers
        let below = mountPoint.components.map(\.description)
        if below.isEmpty { return chain.map(contentPath) }
        let name = FilePath(verbatim: below.joined(separator: "/"))
        var folders: [String] = []
        for layer in chain where try hasFolder(name, in: layer) { folders.append("\(contentPath(layer))/\(name)") }
        return folders
    }

    private func hasFolder(_ name: FilePath, in layer: LayerID) throws(StoreError) -> Bool {
        let content = try openContent(layer)
        do throws(KernelError) {
            _ = try content.open(name, [.pathOnly, .directory], resolving: [.beneath, .noSymlinks])
            return true
        } catch {
            if error.errno == .noSuchFile { return false }
            throw StoreError(error)
        }
    }

    /// What a layer takes on disk, in bytes: allocated blocks, files with several names counted once.
    ///
    /// The first call for a layer walks it, about a microsecond an entry; later ones remember.
    public func sizeOfLayer(_ layer: LayerID) throws(StoreError) -> Int64 {
        if let known = layerSizes.withLock({ $0[layer] }) { return known }
        let content = try openContent(layer)
        let size = try onDisk { () throws(KernelError) in try TreeSize.measure(content) }
        layerSizes.withLock { $0[layer] = size }
        return size
    }

    /// Checks that all layers are there. Within `changing` they stay as long as what names them is written there too.
    ///
    /// - Parameter snapshot: where the chain comes from, for the error: it may have been deleted meanwhile.
    func requireLayers(_ chain: [LayerID], of snapshot: SnapshotID? = nil) throws(StoreError) {
        for layer in chain {
            let isPresent = try onDisk { () throws(KernelError) in
                try layers.statusIfPresent(of: contentName(layer)) != nil
            }
            if isPresent { continue }
            guard let snapshot else { throw .storeCorrupt(reason: "layer \(layer) is missing") }
            _ = try self.snapshot(snapshot)
            throw .snapshotCorrupt(snapshot.rawValue, reason: "layer \(layer) is missing")
        }
    }

    /// The topmost root below a new upper; nil when there are no layers at all.
    func topRoot(layers: [LayerID], image: ImageUse) throws(StoreError) -> OwnedFD? {
        guard let top = layers.first ?? image.layers.first else { return nil }
        return try openContent(top)
    }
}
