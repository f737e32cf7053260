import JSON

/// How bytes are written as a JSON string.
public enum DataEncoding: String, WireChoice {
    /// Text. What is not UTF-8 is written as U+FFFD and thereby lost.
    case utf8
    /// Exact, whatever the bytes are.
    case base64

    /// The bytes as a string.
    public func encode(_ bytes: [UInt8]) -> String {
        switch self {
        case .utf8: String(decoding: bytes, as: UTF8.self)
        case .base64: Base64.encode(bytes)
        }
    }
}

/// Writes a stream of bytes as a series of strings, one for each notification.
///
/// In `utf8` no character is torn, and the strings put together equal the stream decoded at once; in `base64` each
/// string is decoded by itself.
public struct DataStreamEncoder: Sendable {
    public let encoding: DataEncoding
    private var decoder = UTF8StreamDecoder()

    public init(_ encoding: DataEncoding) { self.encoding = encoding }

    /// The string for the next bytes; empty when they only begin a character.
    public mutating func encode(_ bytes: [UInt8]) -> String {
        switch encoding {
        case .utf8: decoder.decode(bytes)
        case .base64: encoding.encode(bytes)
        }
    }

    /// The string for the end of the stream; nearly always empty.
    public mutating func finish() -> String { decoder.finish() }
}

extension FieldType<[UInt8]> {
    /// Bytes that the client wrote in `encoding`.
    static func data(_ encoding: DataEncoding) -> FieldType {
        switch encoding {
        case .utf8: FieldType("a string") { value in value.stringValue.map { Array($0.utf8) } }
        case .base64: FieldType("a string of padded base64") { value in value.stringValue.flatMap(Base64.decode) }
        }
    }
}
