import JSON

/// How a sandbox's configuration lies in the store, below `config` of its record and of its snapshots' records.
extension SandboxConfig {
    var json: JSONValue {
        var fields: [String: JSONValue] = [
            "env": .object(environment.mapValues { .string($0) }),
            "cwd": .string(directory),
            "user": .string(user),
            "vcpus": .int(Int64(limits.vcpus)),
            "memMiB": .int(Int64(limits.memMiB)),
            "diskMiB": .int(Int64(limits.diskMiB)),
            "pidsMax": .int(Int64(limits.pidsMax)),
            "execsMax": .int(Int64(limits.execsMax)),
            "network": .string(network.mode.rawValue),
            "timeoutSec": .int(Int64(idleTimeoutSec)),
            "onTimeout": .string(onTimeout.rawValue),
            "ancestors": .array(ancestors.map { .string($0) }),
        ]
        fields["hostname"] = hostname.map { .string($0) }
        fields["networkReason"] = network.reason.map { .string($0) }
        fields["networkAllow"] = Self.json(network.allow)
        fields["networkDeny"] = Self.json(network.deny)
        if !mounts.isEmpty { fields["mounts"] = .array(mounts.map(\.json)) }
        if !folders.isEmpty { fields["folders"] = .array(folders.map(\.json)) }
        switch origin {
        case .sandbox(let id): fields["originSandbox"] = .string(id)
        case .snapshot(let id): fields["originSnapshot"] = .string(id)
        case nil: break
        }
        return .object(fields)
    }

    /// Nil when the value is not what `json` writes.
    init?(json: JSONValue) {
        guard case .object(let fields) = json,
            let environment = fields["env"]?.strings,
            case .string(let directory) = fields["cwd"],
            case .string(let user) = fields["user"],
            case .int(let vcpus) = fields["vcpus"],
            case .int(let memMiB) = fields["memMiB"],
            case .int(let diskMiB) = fields["diskMiB"],
            case .int(let pidsMax) = fields["pidsMax"],
            case .string(let networkName) = fields["network"], let mode = Sandbox.NetworkMode(rawValue: networkName),
            let allow = Self.rules(fields["networkAllow"]), let deny = Self.rules(fields["networkDeny"]),
            case .int(let timeout) = fields["timeoutSec"],
            case .string(let actionName) = fields["onTimeout"], let action = IdleAction(rawValue: actionName),
            case .array(let ancestors) = fields["ancestors"]
        else { return nil }
        self.init(
            environment: environment, directory: directory, user: user, hostname: fields["hostname"]?.text,
            limits: SandboxLimits(
                vcpus: Int(vcpus), memMiB: Int(memMiB), diskMiB: Int(diskMiB), pidsMax: Int(pidsMax),
                execsMax: fields["execsMax"]?.number ?? SandboxLimits().execsMax),
            network: SandboxNetwork(
                mode: mode, reason: fields["networkReason"]?.text, allow: allow, deny: deny),
            idleTimeoutSec: Int(timeout), onTimeout: action)
        if case .array(let mounts)? = fields["mounts"] {
            self.mounts = mounts.compactMap(HostMount.init(json:))
            if self.mounts.count != mounts.count { return nil }
        }
        self.ancestors = ancestors.compactMap(\.text)
        if case .array(let folders)? = fields["folders"] {
            self.folders = folders.compactMap(CopiedFolder.init(json:))
            if self.folders.count != folders.count { return nil }
        }
        if let id = fields["originSandbox"]?.text { origin = .sandbox(id) }
        if let id = fields["originSnapshot"]?.text { origin = .snapshot(id) }
    }

    private static func json(_ rules: [NetworkRule]) -> JSONValue? {
        rules.isEmpty ? nil : .array(rules.map { .string($0.text) })
    }

    /// Nil when one of them cannot be read: it would permit too much.
    private static func rules(_ json: JSONValue?) -> [NetworkRule]? {
        guard let json else { return [] }
        guard case .array(let values) = json else { return nil }
        let rules = values.compactMap(\.text).compactMap(NetworkRule.init)
        return rules.count == values.count ? rules : nil
    }
}

extension JSONValue {
    fileprivate var number: Int? {
        if case .int(let number) = self { return Int(number) }
        return nil
    }

    fileprivate var text: String? {
        if case .string(let text) = self { return text }
        return nil
    }

    /// An object of strings.
    fileprivate var strings: [String: String]? {
        guard case .object(let fields) = self else { return nil }
        let texts = fields.compactMapValues(\.text)
        return texts.count == fields.count ? texts : nil
    }
}
