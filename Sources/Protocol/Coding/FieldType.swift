import JSON

/// How one field is written: what is expected, for the error, and how it is read.
struct FieldType<Value>: Sendable {
    /// With its article, as "an integer from 1 to 1000".
    let expected: String
    let read: @Sendable (JSONValue, FieldPath) throws(ProtocolError) -> Value

    /// A value without parts; `read` returns nil for one that is not as expected.
    init(_ expected: String, _ read: @escaping @Sendable (JSONValue) -> Value?) {
        self.expected = expected
        self.read = { (value, path) throws(ProtocolError) in
            guard let result = read(value) else {
                throw .invalidParams(path, "must be \(expected), not \(value.found)")
            }
            return result
        }
    }

    /// A value with parts, each of which may be at fault by itself.
    init(
        parts expected: String, _ read: @escaping @Sendable (JSONValue, FieldPath) throws(ProtocolError) -> Value
    ) {
        self.expected = expected
        self.read = read
    }
}

extension FieldType<Int> {
    static func integer(_ range: ClosedRange<Int>) -> FieldType {
        FieldType("an integer from \(range.lowerBound) to \(range.upperBound)") { value in
            value.intValue.flatMap(Int.init(exactly:)).flatMap { range.contains($0) ? $0 : nil }
        }
    }
}

extension FieldType<Bool> {
    static var boolean: FieldType { FieldType("a boolean", { $0.boolValue }) }
}

extension FieldType where Value: WireChoice {
    /// One of an enumeration's words.
    static var choice: FieldType {
        let words = Value.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: " or ")
        return FieldType(words) { value in value.stringValue.flatMap(Value.init(rawValue:)) }
    }
}

extension FieldType where Value: ParamsDecodable {
    static var object: FieldType {
        FieldType(parts: "an object") { (value, path) throws(ProtocolError) in
            try Value.decode(value.members(at: path), at: path)
        }
    }
}

extension FieldType {
    static func array<Element>(of element: FieldType<Element>, count: ClosedRange<Int>) -> FieldType
    where Value == [Element] {
        let expected = "an array of \(count.lowerBound) to \(count.upperBound) elements"
        return FieldType(parts: expected) { (value, path) throws(ProtocolError) in
            guard case .array(let values) = value else {
                throw .invalidParams(path, "must be \(expected), not \(value.found)")
            }
            guard count.contains(values.count) else {
                throw .invalidParams(path, "must be \(expected), not of \(values.count)")
            }
            var elements: [Element] = []
            elements.reserveCapacity(values.count)
            for (index, value) in values.enumerated() {
                elements.append(try element.read(value, path.element(index)))
            }
            return elements
        }
    }
}

extension FieldType<[String: String]> {
    /// An object whose members the client names.
    static func map(name: FieldType<String>, value element: FieldType<String>) -> FieldType {
        FieldType(parts: "an object of strings") { (value, path) throws(ProtocolError) in
            var result: [String: String] = [:]
            for (key, value) in try value.members(at: path) {
                let place = path.member(key)
                _ = try name.read(.string(key), place)
                result[key] = try element.read(value, place)
            }
            return result
        }
    }
}

extension JSONValue {
    fileprivate func members(at path: FieldPath) throws(ProtocolError) -> [String: JSONValue] {
        guard case .object(let members) = self else {
            throw .invalidParams(path, "must be an object, not \(found)")
        }
        return members
    }

    /// The value for an error's "not …": short ones themselves, others by their kind.
    var found: String {
        switch self {
        case .bool, .int, .double: String(decoding: serialized(), as: UTF8.self)
        case .string(let text) where text.utf8.count <= 64: String(decoding: serialized(), as: UTF8.self)
        default: kindName
        }
    }
}
