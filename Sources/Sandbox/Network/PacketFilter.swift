import Kernel

/// The rules of a sandbox's network, as nftables in its network namespace holds to them.
///
/// Two chains hold the same rules. The one for local output refuses with an answer, so that a program learns at once. The one at the
/// device drops what got by it, as root of the sandbox can write packets past the first with a packet socket. To change
/// either takes CAP_NET_ADMIN over the network namespace, which no process of a sandbox can have: it is out of its
/// bounding set, and namespaces of its own it cannot make.
struct PacketFilter: Sendable {
    private static let limits = Subprocess.RunLimits(time: .seconds(10))
    private static let table = "isorun"

    private let network: SandboxNetwork
    private let process: InitProcess

    /// - Parameter process: one in the network namespace.
    init(_ network: SandboxNetwork, of process: InitProcess) {
        self.network = network
        self.process = process
    }

    /// Has the rules hold for what programs send by ordinary means, before there is a device.
    func install() throws(SandboxError) {
        try run(
            table(
                "inet", hook: "type filter hook output priority filter; policy accept;",
                before: ["oifname \"lo\" accept", "meta nfproto ipv6 drop"],
                refusal: "reject with icmpx type admin-prohibited"))
    }

    /// Has the rules hold for every packet that leaves by the device, which must be there.
    ///
    /// Fragments have no ports to tell them by; the device takes what needs none.
    func installAtDevice() throws(SandboxError) {
        try run(
            table(
                "netdev",
                hook: "type filter hook egress device \"\(InsideAddress.device)\" priority filter; policy accept;",
                before: [
                    "meta protocol arp accept", "meta protocol != ip drop", "ip frag-off & 0x3fff != 0 drop",
                ], refusal: "drop"))
    }

    /// Adds addresses that names stand for now.
    ///
    /// - Parameter sets: of which rules.
    func add(_ addresses: [String], to sets: [NameSet]) throws(SandboxError) {
        if addresses.isEmpty || sets.isEmpty { return }
        let elements = addresses.joined(separator: ", ")
        try run(
            sets.flatMap { set in
                ["inet", "netdev"].map { "add element \($0) \(Self.table) \(set.name) { \(elements) }\n" }
            }.joined())
    }

    /// The addresses of one rule about names.
    struct NameSet: Sendable {
        let name: String

        fileprivate init(_ list: String, _ index: Int) { name = "\(list)_\(index)" }
    }

    /// The sets of the rules that are about a name.
    func sets(for name: String) -> (allow: [NameSet], deny: [NameSet]) {
        func matching(_ rules: [NetworkRule], _ list: String) -> [NameSet] {
            rules.enumerated().filter { $0.element.names(name) }.map { NameSet(list, $0.offset) }
        }
        return (matching(network.allow, "allow"), matching(network.deny, "deny"))
    }

    // MARK: Text for nft(8)

    private func table(_ family: String, hook: String, before: [String], refusal: String) -> String {
        let lists = [("allow", network.allow, "accept"), ("deny", network.deny, refusal)]
        let sets = lists.flatMap { list, rules, _ in
            rules.enumerated().filter { $0.element.isAboutNames }.map {
                "  set \(NameSet(list, $0.offset).name) { type ipv4_addr; size 65536; }"
            }
        }
        // What is denied is, whatever allows it.
        let verdicts = lists.reversed().flatMap { list, rules, verdict in
            rules.enumerated().map { "    \(condition($0.element, NameSet(list, $0.offset))) \(verdict)" }
        }
        let rest = network.allow.isEmpty ? "accept" : refusal
        let lines =
            // One transaction; what an earlier start has left goes.
            ["table \(family) \(Self.table)", "delete table \(family) \(Self.table)"]
            + ["table \(family) \(Self.table) {"] + sets + ["  chain egress {", "    \(hook)"]
            + before.map { "    " + $0 } + verdicts + ["    " + rest, "  }", "}", ""]
        return lines.joined(separator: "\n")
    }

    private func condition(_ rule: NetworkRule, _ set: NameSet) -> String {
        let address =
            switch rule.destination {
            case .everything: ""
            case .network(let network): "ip daddr \(network)"
            case .name, .namesBelow: "ip daddr @\(set.name)"
            }
        guard let ports = rule.ports else { return address }
        return "\(address) meta l4proto { tcp, udp, udplite, sctp } th dport \(ports.lowerBound)-\(ports.upperBound)"
    }

    private func run(_ script: String) throws(SandboxError) {
        guard let path = HostProgram.path(of: "nft") else {
            throw .networkUnavailable(reason: "no nft in PATH", fix: "apt-get install nftables")
        }
        let process = process
        let program = HostProgram(path, ["-f", "-"])
        let outcome = try onKernel { () throws(KernelError) in
            try Thread.run(name: "packet filter") { () throws(KernelError) in
                try process.enterNetwork()
                return try Subprocess.run(program, input: Array(script.utf8), limits: Self.limits)
            }
        }
        if !outcome.isSuccess {
            throw .networkUnavailable(
                reason: "the rules cannot be set: \(outcome.complaint)", fix: "Run `isorun-engine doctor`.")
        }
    }
}
