/// Why an image cannot be read.
enum ImageError: Error {
    case malformed(String)
}

/// Writes values as a plain sequence of bytes: fields in the order of their declaration, integers in little endian, lengths before
/// what varies. Whoever reads must know the type; a version number before the whole says which.
final class ImageWriter: Encoder {
    private(set) var bytes: [UInt8] = []
    var codingPath: [any CodingKey] { [] }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    static func bytes(of value: some Encodable) throws -> [UInt8] {
        let writer = ImageWriter()
        try value.encode(to: writer)
        return writer.bytes
    }

    func write(_ content: [UInt8]) {
        append(UInt64(content.count))
        bytes += content
    }

    fileprivate func append(_ number: some FixedWidthInteger) {
        var rest = UInt64(truncatingIfNeeded: number)
        for _ in 0..<8 {
            bytes.append(UInt8(truncatingIfNeeded: rest))
            rest >>= 8
        }
    }

    fileprivate func patch(_ count: Int, at position: Int) {
        for index in 0..<8 { bytes[position + index] = UInt8(truncatingIfNeeded: count >> (8 * index)) }
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        KeyedEncodingContainer(Fields<Key>(writer: self))
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer { Elements(writer: self) }

    func singleValueContainer() -> any SingleValueEncodingContainer { Value(writer: self) }

    fileprivate func encode(_ value: some Encodable) throws {
        switch value {
        case let value as String: write(Array(value.utf8))
        case let value as Bool: append(value ? 1 : 0)
        case let value as Double: append(value.bitPattern)
        case let value as any FixedWidthInteger: append(value)
        default: try value.encode(to: self)
        }
    }

    /// A struct's fields. An enum's case is told by its key, so keys are written for it as text.
    private struct Fields<Key: CodingKey>: KeyedEncodingContainerProtocol {
        let writer: ImageWriter
        var codingPath: [any CodingKey] { [] }

        func encodeNil(forKey key: Key) { writer.append(0) }
        func encode(_ value: some Encodable, forKey key: Key) throws { try writer.encode(value) }
        func encodeIfPresent(_ value: (some Encodable)?, forKey key: Key) throws {
            writer.append(value == nil ? 0 : 1)
            if let value { try writer.encode(value) }
        }
        func nestedContainer<Nested: CodingKey>(
            keyedBy type: Nested.Type, forKey key: Key
        ) -> KeyedEncodingContainer<Nested> {
            // Synthesized code asks for one only for the values of an enum's case.
            writer.write(Array(key.stringValue.utf8))
            return KeyedEncodingContainer(Fields<Nested>(writer: writer))
        }
        func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer { Elements(writer: writer) }
        func superEncoder() -> any Encoder { writer }
        func superEncoder(forKey key: Key) -> any Encoder { writer }

        // The standard library would not call the generic function above for these.
        func encodeIfPresent(_ value: Bool?, forKey key: Key) throws { try present(value) }
        func encodeIfPresent(_ value: String?, forKey key: Key) throws { try present(value) }
        func encodeIfPresent(_ value: Int?, forKey key: Key) throws { try present(value) }
        func encodeIfPresent(_ value: Int32?, forKey key: Key) throws { try present(value) }
        func encodeIfPresent(_ value: UInt32?, forKey key: Key) throws { try present(value) }
        func encodeIfPresent(_ value: UInt64?, forKey key: Key) throws { try present(value) }
        private func present(_ value: (some Encodable)?) throws {
            writer.append(value == nil ? 0 : 1)
            if let value { try writer.encode(value) }
        }
    }

    private struct Elements: UnkeyedEncodingContainer {
        let writer: ImageWriter
        private let position: Int
        private(set) var count = 0
        var codingPath: [any CodingKey] { [] }

        init(writer: ImageWriter) {
            self.writer = writer
            position = writer.bytes.count
            writer.append(0)
        }

        mutating func encode(_ value: some Encodable) throws {
            try writer.encode(value)
            count += 1
            writer.patch(count, at: position)
        }
        mutating func encodeNil() throws { throw ImageError.malformed("an array with holes") }
        mutating func nestedContainer<Nested: CodingKey>(
            keyedBy type: Nested.Type
        ) -> KeyedEncodingContainer<Nested> { KeyedEncodingContainer(Fields<Nested>(writer: writer)) }
        mutating func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { Elements(writer: writer) }
        mutating func superEncoder() -> any Encoder { writer }
    }

    private struct Value: SingleValueEncodingContainer {
        let writer: ImageWriter
        var codingPath: [any CodingKey] { [] }
        func encodeNil() { writer.append(0) }
        func encode(_ value: some Encodable) throws { try writer.encode(value) }
    }
}
