/// What the kernel and the host offer, each feature really tried: the one table that the doctor, the engine and the
/// tests' skip conditions read.
public struct FeatureTable: Sendable {
    /// One of each name, in the names' order.
    public let features: [Feature]

    /// Tries everything; takes some tens of milliseconds. From any thread of the process that stays outside of the
    /// engine's namespaces; no process, mount or file is left behind.
    ///
    /// - Parameter store: the store's folder, absolute; it need not exist.
    public static func probe(store: String) -> FeatureTable {
        let host = HostFacts()
        let storeFeatures = StoreFeatures(store: store)
        let namespaces = NamespaceProbe(scratch: storeFeatures.scratchPath)
        return FeatureTable(
            unordered: SystemCallFeatures.probe()
                + NamespaceFeatures(namespaces, host).probe()
                + IdentityFeatures(namespaces, host).probe()
                + storeFeatures.probe(namespaces)
                + [ControlGroupFeature.probe(host)]
                + ProgramFeatures.probe()
                + CheckpointFeatures.probe(namespaces))
    }

    private init(unordered: [Feature]) {
        let byName = Dictionary(uniqueKeysWithValues: unordered.map { ($0.name, $0) })
        features = FeatureName.allCases.map { name in
            guard let feature = byName[name] else { preconditionFailure("\(name) is not probed") }
            return feature
        }
    }

    public subscript(name: FeatureName) -> Feature {
        guard let feature = features.first(where: { $0.name == name }) else {
            preconditionFailure("init demands every name")
        }
        return feature
    }

    /// Whether nothing that sandboxes need is missing.
    public var allowsSandboxes: Bool { features.allSatisfy { !$0.name.isRequired || $0.status != .failed } }
}
