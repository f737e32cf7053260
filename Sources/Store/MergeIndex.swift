/// The merged layers that this engine knows, by what they stand for.
struct MergeIndex: Sendable {
    /// nil until the store's folder of layers was read.
    private var records: [LayerID: LayerRecord]?
    /// By the topmost layer that they replace.
    private var byTop: [LayerID: [LayerRecord]] = [:]

    var isLoaded: Bool { records != nil }

    func contains(_ layer: LayerID) -> Bool { records?[layer] != nil }

    /// 0 for a layer that is no merged one.
    func generation(of layer: LayerID) -> Int64 { records?[layer]?.generation ?? 0 }

    mutating func setLoaded() { records = records ?? [:] }

    mutating func insert(_ record: LayerRecord) {
        guard let top = record.replaces.first, !contains(record.id) else { return }
        records = records ?? [:]
        records?[record.id] = record
        byTop[top, default: []].append(record)
    }

    /// Forgets the merged layers that are no longer in the store.
    mutating func keep(only present: Set<LayerID>) {
        records = records?.filter { present.contains($0.key) }
        byTop = byTop.mapValues { $0.filter { present.contains($0.id) } }
    }

    /// The merged layer that stands for the most layers at the beginning of `chain`.
    func longestReplacement(of chain: ArraySlice<LayerID>) -> LayerRecord? {
        guard let top = chain.first, let candidates = byTop[top] else { return nil }
        return candidates.filter { chain.starts(with: $0.replaces) }.max { $0.replaces.count < $1.replaces.count }
    }
}
