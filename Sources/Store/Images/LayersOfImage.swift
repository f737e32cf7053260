import Synchronization

/// Where each layer of an image is that is being imported.
struct LayersOfImage {
    enum Place {
        case missing
        case present(LayerID)
        case unpacked(UnpackedLayer)
    }

    /// Lowest first.
    let slots: [LayerSlot]
    /// Of each slot.
    var places: [Place]

    init(_ slots: [LayerSlot]) {
        self.slots = slots
        places = slots.map { _ in .missing }
    }

    var missing: [Int] {
        places.indices.filter { index in
            if case .missing = places[index] { true } else { false }
        }
    }

    var unpacked: [UnpackedLayer] {
        places.compactMap { place in
            if case .unpacked(let layer) = place { layer } else { nil }
        }
    }

    /// Topmost first, as overlayfs wants them.
    var ids: [LayerID] {
        places.reversed().compactMap { place in
            switch place {
            case .missing: nil
            case .present(let id): id
            case .unpacked(let layer): layer.id
            }
        }
    }

    var losses: ImportLosses { unpacked.reduce(into: ImportLosses()) { $0 += $1.losses } }
}

/// What several threads have unpacked, by the slots.
final class UnpackedLayers: Sendable {
    private let layers = Mutex<[Int: UnpackedLayer]>([:])

    var all: [Int: UnpackedLayer] { layers.withLock { $0 } }

    func add(_ layer: UnpackedLayer, at slot: Int) { layers.withLock { $0[slot] = layer } }
}
