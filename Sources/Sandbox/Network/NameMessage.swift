/// A message of the domain name system, as far as the relay reads and writes it (RFC 1035, section 4).
struct NameMessage {
    enum RecordType {
        static let address: UInt16 = 1
        static let newAddress: UInt16 = 28  // AAAA
    }

    private static let headerSize = 12
    private static let (isResponse, recursionAvailable): (UInt8, UInt8) = (0x80, 0x80)
    private static let noSuchName: UInt8 = 3
    /// A pointer into the message instead of a label.
    private static let pointer: UInt8 = 0xc0

    let bytes: [UInt8]
    /// What is asked for: in lower case, without a dot at its end.
    let name: String
    let type: UInt16
    private let questionEnd: Int

    /// Nil for what is no message with one question.
    init?(_ bytes: [UInt8]) {
        self.bytes = bytes
        guard bytes.count > Self.headerSize, Self.number(bytes, at: 4) == 1 else { return nil }
        var labels: [String] = []
        var position = Self.headerSize
        while position < bytes.count, bytes[position] != 0 {
            let length = Int(bytes[position])
            guard length < Self.pointer, position + 1 + length < bytes.count else { return nil }
            let label = bytes[(position + 1)..<(position + 1 + length)]
            // A dot within a label, or a letter that Unicode takes for another one, would make one name look like another.
            if label.contains(where: { $0 == UInt8(ascii: ".") || $0 >= 0x80 }) { return nil }
            labels.append(String(decoding: label, as: UTF8.self).lowercased())
            position += 1 + length
        }
        guard position + 5 <= bytes.count else { return nil }
        name = labels.joined(separator: ".")
        type = UInt16(Self.number(bytes, at: position + 1))
        questionEnd = position + 5
    }

    /// The message that asks for a name's addresses.
    init?(askingFor name: String, number: UInt16) {
        var bytes: [UInt8] = [UInt8(number >> 8), UInt8(number & 0xff), 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]
        for label in name.split(separator: ".") { bytes += [UInt8(label.utf8.count)] + Array(label.utf8) }
        self.init(bytes + [0, 0, UInt8(RecordType.address), 0, 1])
    }

    var isResponse: Bool { bytes[2] & Self.isResponse != 0 }

    /// Whether this is the answer to a question.
    func answers(_ question: NameMessage) -> Bool {
        isResponse && bytes[..<2] == question.bytes[..<2] && name == question.name && type == question.type
    }

    /// The answer that there is no such name.
    var denial: [UInt8] { emptyAnswer(code: Self.noSuchName) }

    /// The answer that the name has nothing of the type.
    var absence: [UInt8] { emptyAnswer(code: 0) }

    private func emptyAnswer(code: UInt8) -> [UInt8] {
        var answer = Array(bytes[..<questionEnd])
        answer[2] |= Self.isResponse
        answer[3] = Self.recursionAvailable | code
        for index in 6..<Self.headerSize { answer[index] = 0 }
        return answer
    }

    /// The IPv4 addresses that an answer has, whatever further names it leads through.
    var addresses: [String] {
        var found: [String] = []
        var position = questionEnd
        for _ in 0..<Self.number(bytes, at: 6) {
            guard let afterName = Self.skipName(bytes, from: position), afterName + 10 <= bytes.count else { break }
            let length = Self.number(bytes, at: afterName + 8)
            let data = afterName + 10
            guard data + length <= bytes.count else { break }
            if Self.number(bytes, at: afterName) == Int(RecordType.address), length == 4 {
                found.append(bytes[data..<(data + 4)].map { "\($0)" }.joined(separator: "."))
            }
            position = data + length
        }
        return found
    }

    private static func number(_ bytes: [UInt8], at position: Int) -> Int {
        Int(bytes[position]) << 8 | Int(bytes[position + 1])
    }

    private static func skipName(_ bytes: [UInt8], from start: Int) -> Int? {
        var position = start
        while position < bytes.count {
            let length = bytes[position]
            if length == 0 { return position + 1 }
            if length >= pointer { return position + 2 }
            position += 1 + Int(length)
        }
        return nil
    }
}
