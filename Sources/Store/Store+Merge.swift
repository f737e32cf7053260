import Kernel

// Long chains of layers are slow to look up in and end at overlayfs's limit of 500. So 16 consecutive layers of one
// generation are merged into one of the next: a chain of n snapshots has at most 15 layers of each of log16(n)
// generations. The layers that a merged one stands for stay as long as a snapshot names them.
//
/// Consecutive layers of a chain that are worth merging.
public struct MergeCandidate: Sendable, Hashable {
    /// Topmost first.
    public let run: [LayerID]
    /// The layers that the run lies on, topmost first; always the same ones, in this form or a merged one.
    let beneath: [LayerID]
}

extension Store {
    /// How many layers of one generation are merged into one of the next.
    public static let mergeWidth = 16

    /// The same chain with every run of layers replaced by the merged layer that stands for it.
    public func shortened(_ chain: [LayerID]) throws(StoreError) -> [LayerID] {
        if chain.count < 2 { return chain }
        try loadMergeIndex()
        var chain = chain
        var position = 0
        while position < chain.count {
            let index = mergeIndex.withLock { $0 }
            if let merged = index.longestReplacement(of: chain[position...]), try isPresent(merged.id) {
                chain.replaceSubrange(position..<(position + merged.replaces.count), with: [merged.id])
                // It may be the first or the last of a run of its own generation.
                position = 0
            } else {
                position += 1
            }
        }
        return chain
    }

    /// The runs of layers that are worth merging; empty when the chain is short enough.
    ///
    /// Of a longer run the lowest layers come first, so that all sandboxes with a common history merge alike.
    public func mergeCandidates(in chain: [LayerID]) throws(StoreError) -> [MergeCandidate] {
        try refreshMergeIndex()
        let chain = try shortened(chain)
        let index = mergeIndex.withLock { $0 }
        var candidates: [MergeCandidate] = []
        var run: ArraySlice<LayerID> = []
        for position in chain.indices {
            if let first = run.first, index.generation(of: first) == index.generation(of: chain[position]) {
                run = chain[run.startIndex...position]
            } else {
                run = chain[position...position]
            }
            let isLast =
                position + 1 == chain.count
                || index.generation(of: chain[position]) != index.generation(of: chain[position + 1])
            if isLast, run.count >= Store.mergeWidth {
                let lowest = Array(run.suffix(Store.mergeWidth))
                candidates.append(MergeCandidate(run: lowest, beneath: Array(chain[(position + 1)...])))
            }
        }
        return candidates
    }

    /// Merges a run of layers into a new one, which `shortened` uses from then on. Takes about 10 microseconds a file;
    /// call it on a background thread.
    ///
    /// - Parameters:
    ///   - image: what the chain stands on.
    ///   - base: the host's folders beneath, for the image `host`. When they are left out, deletions that hide nothing
    ///     are kept, and folders may list names that do not exist.
    /// - Throws: `cancelled`; `storeCorrupt` when a layer went away meanwhile; `treeTooDeep`, `noSpace`, `kernel`. On
    ///   failure nothing is left behind and chains stay as they are.
    @discardableResult
    public func merge(
        _ candidate: MergeCandidate, image: ImageUse, base: [BaseFolder],
        isCancelled: @escaping @Sendable () -> Bool = { false }
    ) throws(StoreError) -> LayerID {
        try loadMergeIndex()
        let run = candidate.run
        let generation = mergeIndex.withLock { index in run.map(index.generation).max() ?? 0 } + 1
        let record = LayerRecord(id: .randomMerged(), createdAt: .now, generation: generation, replaces: run)
        var roots: [SharedDirectory] = []
        for layer in run { roots.append(SharedDirectory(try openContent(layer))) }
        let isBaseKnown = image.digest != nil || !base.isEmpty
        let beneath = isBaseKnown ? try stack(candidate.beneath, image: image, base: base) : nil
        try stagingFolder(record.id.path) { (staged: borrowing OwnedFD) throws(StoreError) in
            try onDisk { () throws(KernelError) in
                try Manifest.write(record.json, as: StoreLayout.layerManifest, in: staged)
                try staged.makeDirectory(StoreLayout.content, permissions: 0o700)
            }
            let content = SharedDirectory(try staged.openFolder(StoreLayout.content))
            try LayerMerger.merge(roots, beneath: beneath, into: content, isCancelled: isCancelled)
            try changing { () throws(StoreError) in
                try requireLayers(run)
                try publish(record.id.path, in: layers)
            }
        }
        mergeIndex.withLock { $0.insert(record) }
        return record.id
    }

    func isPresent(_ layer: LayerID) throws(StoreError) -> Bool {
        try onDisk { () throws(KernelError) in try layers.statusIfPresent(of: layer.path) != nil }
    }

    private func loadMergeIndex() throws(StoreError) {
        if !mergeIndex.withLock({ $0.isLoaded }) { try refreshMergeIndex() }
    }

    /// Takes note of the merged layers that other engines made or removed.
    private func refreshMergeIndex() throws(StoreError) {
        let ids: [LayerID] = try identifiers(in: layers)
        let present = Set(ids.filter(\.isMerged))
        let unknown = mergeIndex.withLock { index in
            index.setLoaded()
            index.keep(only: present)
            return present.filter { !index.contains($0) }
        }
        for id in unknown {
            // A merged layer whose manifest is damaged or just went away is merely not used to shorten chains.
            if let record = try readableLayerRecord(id) { mergeIndex.withLock { $0.insert(record) } }
        }
    }

    /// - Returns: nil when the layer's manifest is missing or damaged.
    func readableLayerRecord(_ id: LayerID) throws(StoreError) -> LayerRecord? {
        do throws(StoreError) {
            return try layerRecord(id)
        } catch {
            switch error {
            case .storeCorrupt, .newerVersion: return nil
            default: throw error
            }
        }
    }

    func layerRecord(_ id: LayerID) throws(StoreError) -> LayerRecord {
        try Manifest.read(
            FilePath(verbatim: "\(id)/\(StoreLayout.layerManifest)"), in: layers, of: "Layer \(id)",
            ifMissing: .storeCorrupt(reason: "layer \(id) is missing"),
            ifCorrupt: { .storeCorrupt(reason: "the manifest of layer \(id) is damaged: \($0)") },
            LayerRecord.init(json:))
    }
}
