/// Which outbound connections a rule is about: `HOST[:PORT[-PORT]]`, HOST being an IPv4 address, a network `10.0.0.0/8`, a host
/// name, all names below one `*.example.com`, or everything `*`.
public struct NetworkRule: Sendable, Equatable {
    enum Destination: Sendable, Equatable {
        case everything
        /// As nftables writes it.
        case network(String)
        case name(String)
        /// Not the name itself.
        case namesBelow(String)
    }

    /// As it was written.
    public let text: String
    let destination: Destination
    /// Nil: all, and protocols without ports too.
    let ports: ClosedRange<UInt16>?

    /// Nil when it is not written like a rule.
    public init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard parts.count <= 2, let destination = Self.destination(parts[0]) else { return nil }
        self.text = text
        self.destination = destination
        if parts.count == 2 {
            guard let ports = Self.ports(parts[1]) else { return nil }
            self.ports = ports
        } else {
            ports = nil
        }
    }

    /// Whether the rule is about a name, which is in lower case and without a dot at its end.
    func names(_ name: String) -> Bool {
        switch destination {
        case .name(let own): name == own
        case .namesBelow(let parent): name.hasSuffix("." + parent)
        case .everything, .network: false
        }
    }

    var isAboutNames: Bool {
        switch destination {
        case .name, .namesBelow: true
        case .everything, .network: false
        }
    }

    private static func destination(_ text: String) -> Destination? {
        if text == "*" { return .everything }
        if let network = network(text) { return .network(network) }
        let isBelow = text.hasPrefix("*.")
        guard let name = name(isBelow ? String(text.dropFirst(2)) : text) else { return nil }
        return isBelow ? .namesBelow(name) : .name(name)
    }

    private static func network(_ text: String) -> String? {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        let numbers = parts[0].split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count <= 2, numbers.count == 4, numbers.allSatisfy({ decimal($0, upTo: 255) != nil }) else {
            return nil
        }
        if parts.count == 2, decimal(parts[1], upTo: 32) == nil { return nil }
        return text
    }

    private static func ports(_ text: String) -> ClosedRange<UInt16>? {
        let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { decimal($0, upTo: 65_535) }
        guard ends.count <= 2, let first = ends[0], let last = ends[ends.count - 1], first > 0, first <= last else {
            return nil
        }
        return UInt16(first)...UInt16(last)
    }

    /// A number without sign or needless zeros.
    private static func decimal(_ text: Substring, upTo limit: Int) -> Int? {
        guard let number = Int(text), number <= limit, "\(number)" == text else { return nil }
        return number
    }

    /// Labels of letters, digits, hyphens and underscores (RFC 1035, RFC 2181); the last one is no number.
    private static func name(_ text: String) -> String? {
        let name = text.lowercased()
        let labels = name.split(separator: ".", omittingEmptySubsequences: false)
        let isWritable = labels.allSatisfy { label in
            (1...63).contains(label.utf8.count)
                && label.utf8.allSatisfy { byte in
                    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                        || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                        || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
                }
        }
        guard isWritable, name.utf8.count <= 253, let last = labels.last, Int(last) == nil else { return nil }
        return name
    }
}
