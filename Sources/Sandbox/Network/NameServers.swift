import Glibc
import Kernel

/// The host's name servers, asked as the host's programs ask them.
struct NameServers: Sendable {
    private static let patience: Int32 = 3000  // milliseconds for each server
    /// The most that a datagram can hold.
    private static let answerLimit = 65_535

    /// As sockaddrs.
    private let addresses: [[UInt8]]

    /// Those of the host's resolv.conf(5); none when that cannot be read.
    init() {
        let text = (try? ProcFS.read("/etc/resolv.conf")) ?? ""
        addresses = text.split(whereSeparator: \.isNewline).compactMap { line in
            let words = line.split(whereSeparator: \.isWhitespace)
            guard words.count >= 2, words[0] == "nameserver" else { return nil }
            return Self.socketAddress(String(words[1]))
        }
    }

    /// Asks one after the other; nil when none answers. Blocks.
    func answer(to question: NameMessage) -> NameMessage? {
        for address in addresses {
            // A server that cannot be asked is one that does not answer.
            if let answer = try? ask(address, question) { return answer }
        }
        return nil
    }

    private func ask(_ address: [UInt8], _ question: NameMessage) throws(KernelError) -> NameMessage? {
        // A socket, and so a port, of its own for each question makes answers hard to forge.
        let socket = try OwnedFD.socket(
            domain: Int32(address[0]), type: Int32(SOCK_DGRAM.rawValue), protocolNumber: Int32(IPPROTO_UDP))
        try socket.connect(to: address)
        _ = try socket.send(question.bytes[...])
        let deadline = ContinuousClock.now + .milliseconds(Int(Self.patience))
        while ContinuousClock.now < deadline, try socket.waitUntilReadable(milliseconds: Self.patience) {
            guard let datagram = try socket.receiveDatagram(upTo: Self.answerLimit) else { continue }
            if let answer = NameMessage(datagram.bytes), answer.answers(question) { return answer }
        }
        return nil
    }

    private static func socketAddress(_ text: String) -> [UInt8]? {
        let port: [UInt8] = [0, 53]
        var old = [UInt8](repeating: 0, count: 4)
        // unsafe: inet_pton fills as many bytes as an address of the family has.
        if unsafe inet_pton(AF_INET, text, &old) == 1 {
            return [UInt8(AF_INET), 0] + port + old + [UInt8](repeating: 0, count: 8)
        }
        var new = [UInt8](repeating: 0, count: 16)
        // unsafe: as above.
        if unsafe inet_pton(AF_INET6, text, &new) == 1 {
            return [UInt8(AF_INET6), 0] + port + [0, 0, 0, 0] + new + [0, 0, 0, 0]
        }
        return nil
    }
}
