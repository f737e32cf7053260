import Protocol

/// Methods of the protocol that this version does not carry out yet: they say so instead of being unknown.
enum UnimplementedMethods {
    static func error(for method: String) -> ProtocolError {
        guard Registry.requests.contains(where: { $0.method == method }) else { return .methodNotFound(method) }
        return .hostUnsupported(
            feature: method, reason: "this version of the engine does not have it yet",
            fix: "See CHANGELOG.md for what comes next.")
    }
}
