/// Reads what `ImageWriter` has written, into the same type. Never reads beyond the end, whatever the bytes say.
final class ImageReader: Decoder {
    private let bytes: [UInt8]
    private var position = 0
    var codingPath: [any CodingKey] { [] }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    private init(_ bytes: [UInt8]) { self.bytes = bytes }

    static func value<Value: Decodable>(_ type: Value.Type, from bytes: [UInt8]) throws -> Value {
        let reader = ImageReader(bytes)
        let value = try Value(from: reader)
        if reader.position != bytes.count { throw ImageError.malformed("bytes are left over") }
        return value
    }

    func readBytes() throws -> [UInt8] {
        let count = try number(UInt64.self)
        guard count <= UInt64(bytes.count - position) else { throw ImageError.malformed("it ends too early") }
        defer { position += Int(count) }
        return Array(bytes[position..<position + Int(count)])
    }

    fileprivate func number<Number: FixedWidthInteger>(_ type: Number.Type) throws -> Number {
        guard bytes.count - position >= 8 else { throw ImageError.malformed("it ends too early") }
        var value: UInt64 = 0
        for index in (0..<8).reversed() { value = value << 8 | UInt64(bytes[position + index]) }
        position += 8
        return Number(truncatingIfNeeded: value)
    }

    fileprivate func text() throws -> String { String(decoding: try readBytes(), as: UTF8.self) }

    fileprivate func isPresent() throws -> Bool { try number(UInt64.self) != 0 }

    fileprivate func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        let value: Any
        switch type {
        case is String.Type: value = try text()
        case is Bool.Type: value = try number(UInt64.self) != 0
        case is Double.Type: value = Double(bitPattern: try number(UInt64.self))
        case let type as any FixedWidthInteger.Type: value = try number(type)
        default: return try Value(from: self)
        }
        guard let value = value as? Value else { throw ImageError.malformed("a value of another type") }
        return value
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        KeyedDecodingContainer(Fields<Key>(reader: self))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        Elements(reader: self, count: try number(Int.self))
    }

    func singleValueContainer() throws -> any SingleValueDecodingContainer { Value(reader: self) }

    private struct Fields<Key: CodingKey>: KeyedDecodingContainerProtocol {
        let reader: ImageReader
        var codingPath: [any CodingKey] { [] }
        /// Synthesized code asks for the keys only to learn which case of an enum comes.
        var allKeys: [Key] {
            guard let name = try? reader.text(), let key = Key(stringValue: name) else { return [] }
            return [key]
        }

        func contains(_ key: Key) -> Bool { true }
        func decodeNil(forKey key: Key) throws -> Bool { try !reader.isPresent() }
        func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value { try reader.decode(type) }
        func decodeIfPresent<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value? {
            try reader.isPresent() ? try reader.decode(type) : nil
        }
        func nestedContainer<Nested: CodingKey>(
            keyedBy type: Nested.Type, forKey key: Key
        ) throws -> KeyedDecodingContainer<Nested> { KeyedDecodingContainer(Fields<Nested>(reader: reader)) }
        func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
            try reader.unkeyedContainer()
        }
        func superDecoder() throws -> any Decoder { reader }
        func superDecoder(forKey key: Key) throws -> any Decoder { reader }

        // The standard library would not call the generic function above for these.
        func decodeIfPresent(_ type: Bool.Type, forKey key: Key) throws -> Bool? { try present(type) }
        func decodeIfPresent(_ type: String.Type, forKey key: Key) throws -> String? { try present(type) }
        func decodeIfPresent(_ type: Int.Type, forKey key: Key) throws -> Int? { try present(type) }
        func decodeIfPresent(_ type: Int32.Type, forKey key: Key) throws -> Int32? { try present(type) }
        func decodeIfPresent(_ type: UInt32.Type, forKey key: Key) throws -> UInt32? { try present(type) }
        func decodeIfPresent(_ type: UInt64.Type, forKey key: Key) throws -> UInt64? { try present(type) }
        private func present<Value: Decodable>(_ type: Value.Type) throws -> Value? {
            try reader.isPresent() ? try reader.decode(type) : nil
        }
    }

    private struct Elements: UnkeyedDecodingContainer {
        let reader: ImageReader
        let count: Int?
        private(set) var currentIndex = 0
        var codingPath: [any CodingKey] { [] }
        var isAtEnd: Bool { currentIndex >= count ?? 0 }

        init(reader: ImageReader, count: Int) {
            self.reader = reader
            self.count = count
        }

        mutating func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
            currentIndex += 1
            return try reader.decode(type)
        }
        mutating func decodeNil() throws -> Bool { false }
        mutating func nestedContainer<Nested: CodingKey>(
            keyedBy type: Nested.Type
        ) throws -> KeyedDecodingContainer<Nested> { KeyedDecodingContainer(Fields<Nested>(reader: reader)) }
        mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
            try reader.unkeyedContainer()
        }
        mutating func superDecoder() throws -> any Decoder { reader }
    }

    private struct Value: SingleValueDecodingContainer {
        let reader: ImageReader
        var codingPath: [any CodingKey] { [] }
        func decodeNil() -> Bool { false }
        func decode<Value: Decodable>(_ type: Value.Type) throws -> Value { try reader.decode(type) }
    }
}
