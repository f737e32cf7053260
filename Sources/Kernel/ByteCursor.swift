/// Reads the parts of a long text of /proc one after another. No part becomes a string that nobody asks for: a process has hundreds of
/// mappings, and every capture reads about all of them.
public struct ByteCursor {
    private let bytes: [UInt8]
    private var position = 0

    public init(_ bytes: [UInt8]) { self.bytes = bytes }

    public var isAtEnd: Bool { position >= bytes.count }

    /// The next byte; nil at the end.
    public var next: UInt8? { isAtEnd ? nil : bytes[position] }

    /// Reads a number without a prefix, and nothing where none stands.
    public mutating func number(radix: UInt64) -> UInt64? {
        let start = position
        var value: UInt64 = 0
        while let digit = next.flatMap(Self.digit), digit < radix {
            value = value &* radix &+ digit
            position += 1
        }
        return position > start ? value : nil
    }

    private static func digit(_ byte: UInt8) -> UInt64? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt64(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt64(byte - UInt8(ascii: "a")) + 10
        default: nil
        }
    }

    /// Reads one byte if it is this one.
    public mutating func skip(_ byte: Unicode.Scalar) -> Bool {
        guard next == UInt8(ascii: byte) else { return false }
        position += 1
        return true
    }

    public mutating func skipSpaces() { while skip(" ") {} }

    /// Reads up to a space or the end of the line.
    public mutating func word() -> ArraySlice<UInt8> {
        let start = position
        while let byte = next, byte != UInt8(ascii: " "), byte != UInt8(ascii: "\n") { position += 1 }
        return bytes[start..<position]
    }

    /// Reads the rest of the line, whose line feed is left out.
    public mutating func line() -> ArraySlice<UInt8> {
        let start = position
        while let byte = next, byte != UInt8(ascii: "\n") { position += 1 }
        let end = position
        position += 1
        return bytes[start..<end]
    }
}
