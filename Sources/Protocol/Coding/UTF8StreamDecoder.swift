/// Decodes a stream of bytes as UTF-8, piece by piece: a character that a piece ends in the middle of is held back
/// until the rest of it comes. What is not UTF-8 becomes U+FFFD, exactly as if the whole were decoded at once.
public struct UTF8StreamDecoder: Sendable {
    /// The start of a character, at most three bytes.
    private var held: [UInt8] = []

    public init() {}

    /// The text that is certain after these bytes; it may be empty.
    public mutating func decode(_ bytes: [UInt8]) -> String {
        let pending = held.isEmpty ? bytes : held + bytes
        let complete = pending.count - Self.unfinishedTail(of: pending[...])
        held = Array(pending[complete...])
        return String(decoding: pending[..<complete], as: UTF8.self)
    }

    /// The end of the stream: U+FFFD if it lies within a character, else nothing.
    public mutating func finish() -> String {
        defer { held = [] }
        return String(decoding: held, as: UTF8.self)
    }

    /// How many bytes at the end could become one character with more bytes behind them.
    ///
    /// A cut before a leading byte never changes how either side decodes, since a leading byte ends whatever is
    /// before it; so it is enough to look for the last one.
    public static func unfinishedTail(of bytes: ArraySlice<UInt8>) -> Int {
        for (index, byte) in bytes.suffix(3).reversed().enumerated() where byte & 0b1100_0000 != 0b1000_0000 {
            let length = index + 1
            return length < characterLength(leading: byte) ? length : 0
        }
        return 0
    }

    /// The bytes of a character by its first one; 0 for a byte that begins none.
    private static func characterLength(leading byte: UInt8) -> Int {
        switch byte {
        case 0x00...0x7f: 1
        case 0xc2...0xdf: 2
        case 0xe0...0xef: 3
        case 0xf0...0xf4: 4
        default: 0
        }
    }
}
