/// The header of one message while it comes in: `Name: value` lines that end with CR LF, then an empty line.
///
/// Names are compared without regard to case. `Content-Length` must occur once. `Content-Type` and fields that
/// nobody knows are accepted and not looked at: a body in another encoding than UTF-8 is found when it is parsed.
struct HeaderBlock: Sendable {
    private var line: [UInt8] = []
    private var size = 0
    private var contentLength: Int?

    var isEmpty: Bool { size == 0 }

    /// Takes the next byte; returns `Content-Length` when it is the last one of the block.
    mutating func append(_ byte: UInt8) throws(FramingError) -> Int? {
        size += 1
        guard size <= TransportLimit.header else {
            throw FramingError("a message header is longer than \(TransportLimit.header) bytes")
        }
        line.append(byte)
        guard byte == UInt8(ascii: "\n") else { return nil }
        line.removeLast()
        guard line.popLast() == UInt8(ascii: "\r") else {
            throw FramingError("a message header line does not end with CR LF")
        }
        if line.isEmpty { return try finish() }
        try readField()
        line.removeAll(keepingCapacity: true)
        return nil
    }

    private func finish() throws(FramingError) -> Int {
        guard let contentLength else { throw FramingError("a message header has no Content-Length") }
        return contentLength
    }

    private mutating func readField() throws(FramingError) {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else {
            throw FramingError("a message header line is not of the form `Name: value`")
        }
        guard line[..<colon].equalsIgnoringCase("content-length") else { return }
        guard contentLength == nil else { throw FramingError("a message header has two Content-Length fields") }
        guard let length = decimal(line[(colon + 1)...].trimmed) else {
            throw FramingError("the Content-Length of a message header is not a number of bytes")
        }
        contentLength = length
    }

    /// A number of digits alone; nil for anything else and for one beyond `Int`.
    private func decimal(_ digits: ArraySlice<UInt8>) -> Int? {
        guard digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return nil }
        return Int(String(decoding: digits, as: UTF8.self))
    }
}

extension ArraySlice<UInt8> {
    fileprivate func equalsIgnoringCase(_ lowercase: StaticString) -> Bool {
        String(decoding: self, as: UTF8.self).lowercased() == lowercase.description
    }

    /// Without the spaces and tabs around it.
    fileprivate var trimmed: ArraySlice<UInt8> {
        let isBlank: (UInt8) -> Bool = { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
        guard let first = firstIndex(where: { !isBlank($0) }), let last = lastIndex(where: { !isBlank($0) }) else {
            return []
        }
        return self[first...last]
    }
}
