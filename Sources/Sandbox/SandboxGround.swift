/// What a sandbox's incarnation is about to stand on: namespaces, and its way out, which is being made meanwhile.
struct SandboxGround: Sendable {
    let namespaces: NamespaceSet
    /// Nil in a sandbox without outbound connections.
    let uplink: Uplink?

    /// Ends the way out and every process of the namespaces. Again is harmless.
    func destroy() {
        uplink?.end()
        namespaces.destroy()
    }
}

extension SandboxManager {
    /// Takes a ready set of namespaces and begins to connect it.
    ///
    /// - Throws: also `networkUnavailable`.
    func ground(for config: SandboxConfig) throws(SandboxError) -> SandboxGround {
        if let obstacle = config.network.obstacle { throw obstacle.error }
        let namespaces = try namespaceSets.take()
        let uplink =
            config.network.mode == .nat
            ? Uplink(config.network, of: namespaces.process, loop: ingredients.loop) : nil
        return SandboxGround(namespaces: namespaces, uplink: uplink)
    }
}
