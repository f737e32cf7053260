extension JSONValue {
    /// Encodes the value as compact JSON in UTF-8, members sorted by name: the same value gives the same bytes.
    ///
    /// Text keeps every character; only what JSON demands is escaped. A double is written with the fewest digits
    /// that read back as the same double; one that is not finite, for which JSON has no number, as `null`.
    public func serialized() -> [UInt8] {
        var bytes: [UInt8] = []
        serialize(into: &bytes)
        return bytes
    }

    /// As `serialized()`, appended to bytes that are there already.
    ///
    /// Written here and not by jansson: that would copy megabytes of a command's output into a `json_t` first, and
    /// prints 0.1 as 0.10000000000000001.
    public func serialize(into bytes: inout [UInt8]) {
        switch self {
        case .null: bytes.append(ascii: "null")
        case .bool(let value): bytes.append(ascii: value ? "true" : "false")
        case .int(let value): bytes.append(ascii: String(value))
        case .double(let value): bytes.append(ascii: value.isFinite ? value.description : "null")
        case .string(let value): bytes.append(quoted: value)
        case .array(let elements): Self.serialize(elements, into: &bytes)
        case .object(let members): Self.serialize(members, into: &bytes)
        }
    }

    private static func serialize(_ elements: [JSONValue], into bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "["))
        var separate = false
        for element in elements {
            if separate { bytes.append(UInt8(ascii: ",")) }
            separate = true
            element.serialize(into: &bytes)
        }
        bytes.append(UInt8(ascii: "]"))
    }

    private static func serialize(_ members: [String: JSONValue], into bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "{"))
        var separate = false
        for (name, value) in members.sorted(by: { $0.key < $1.key }) {
            if separate { bytes.append(UInt8(ascii: ",")) }
            separate = true
            bytes.append(quoted: name)
            bytes.append(UInt8(ascii: ":"))
            value.serialize(into: &bytes)
        }
        bytes.append(UInt8(ascii: "}"))
    }
}

extension [UInt8] {
    fileprivate mutating func append(ascii text: String) { append(contentsOf: text.utf8) }

    /// Appends a JSON string: runs that need no escape are copied whole.
    fileprivate mutating func append(quoted text: String) {
        append(UInt8(ascii: "\""))
        var text = text
        text.withUTF8 { utf8 in
            // unsafe: the buffer is only read, within its bounds, while `text` is borrowed.
            var start = 0
            for unsafe(index, byte) in unsafe utf8.enumerated() where byte.needsEscape {
                unsafe append(contentsOf: utf8[start..<index])
                append(escape: byte)
                start = index + 1
            }
            unsafe append(contentsOf: utf8[start...])
        }
        append(UInt8(ascii: "\""))
    }

    private mutating func append(escape byte: UInt8) {
        append(UInt8(ascii: "\\"))
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): append(byte)
        case UInt8(ascii: "\n"): append(UInt8(ascii: "n"))
        case UInt8(ascii: "\r"): append(UInt8(ascii: "r"))
        case UInt8(ascii: "\t"): append(UInt8(ascii: "t"))
        default:
            append(ascii: byte < 0x10 ? "u000" : "u00")
            append(ascii: String(byte, radix: 16))
        }
    }
}

extension UInt8 {
    /// Whether RFC 8259, section 7, forbids the byte inside a string. Bytes of longer UTF-8 sequences are all allowed.
    fileprivate var needsEscape: Bool { self < 0x20 || self == UInt8(ascii: "\"") || self == UInt8(ascii: "\\") }
}
