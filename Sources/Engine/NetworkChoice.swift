import Protocol
import Sandbox

/// Which network a sandbox gets.
enum NetworkChoice {
    /// Without a wish: the best there is, with the reason why it is no better.
    ///
    /// - Throws: `networkUnavailable` for a network that cannot be had; `invalidParams` for rules that cannot be read.
    static func resolve(_ wish: NetworkParams?, method: String) throws -> SandboxNetwork {
        let allow = try rules(wish?.allow ?? [], "network.allow", method)
        let deny = try rules(wish?.deny ?? [], "network.deny", method)
        let hasRules = !(allow.isEmpty && deny.isEmpty)
        if wish?.mode == NetworkMode.none {
            if hasRules {
                throw ProtocolError.invalidParams(
                    method: method, field: "network", "has rules, and the mode `none`, which permits nothing anyway")
            }
            return SandboxNetwork(mode: .none)
        }
        let network = SandboxNetwork(mode: .nat, allow: allow, deny: deny)
        guard let obstacle = network.obstacle else { return network }
        // Rules are a wish for a network, too.
        if wish?.mode == .nat || hasRules {
            throw ProtocolError.networkUnavailable(reason: obstacle.reason, fix: obstacle.fix)
        }
        return SandboxNetwork(mode: .none, reason: obstacle.reason)
    }

    private static func rules(_ texts: [String], _ field: String, _ method: String) throws -> [NetworkRule] {
        try texts.map { text in
            if let rule = NetworkRule(text) { return rule }
            throw ProtocolError.invalidParams(
                method: method, field: field,
                """
                has the rule `\(text)`, which is not written as HOST, HOST:PORT or HOST:FIRST-LAST, where HOST is an IPv4 \
                address, a network as 10.0.0.0/8, a name, `*.name`, or `*`
                """)
        }
    }
}
