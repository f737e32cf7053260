import JSON

/// What can be decoded from an object in the params of a request.
public protocol ParamsDecodable: Equatable, Sendable {
    /// Asks `fields` for every field that the object may have; one that nobody asks for is refused.
    init(from fields: inout ParamsDecoder) throws(ProtocolError)
}

/// The fields of one object while they are decoded.
///
/// It remembers which fields were asked for. That is how an unknown field is found, and how a test compares the
/// fields with the schema's, without a second list of them.
public struct ParamsDecoder {
    private let path: FieldPath
    private let members: [String: JSONValue]
    private(set) var names: [String] = []
    private var found = 0

    init(_ members: [String: JSONValue], at path: FieldPath) {
        self.members = members
        self.path = path
    }

    mutating func required<Value>(_ name: String, _ type: FieldType<Value>) throws(ProtocolError) -> Value {
        guard let value = try optional(name, type) else {
            throw .invalidParams(path.member(name), "is missing; it must be \(type.expected)")
        }
        return value
    }

    mutating func optional<Value>(_ name: String, _ type: FieldType<Value>) throws(ProtocolError) -> Value? {
        names.append(name)
        guard let value = members[name] else { return nil }
        found += 1
        return try type.read(value, path.member(name))
    }

    mutating func optional<Value>(
        _ name: String, _ type: FieldType<Value>, default fallback: Value
    ) throws(ProtocolError) -> Value {
        try optional(name, type) ?? fallback
    }

    /// Refuses a combination of fields that are each valid.
    func refuse(_ name: String, _ problem: String) -> ProtocolError { .invalidParams(path.member(name), problem) }

    /// Call after the last field: throws for one that nobody asked for.
    func refuseUnknownFields() throws(ProtocolError) {
        guard found != members.count else { return }
        guard let unknown = members.keys.filter({ !names.contains($0) }).min() else { return }
        let known = names.isEmpty ? "there are none" : "known are \(names.map { "`\($0)`" }.joined(separator: ", "))"
        throw .invalidParams(path.member(unknown), "is not a known field; \(known)")
    }
}

extension ParamsDecodable {
    static func decode(_ members: [String: JSONValue], at path: FieldPath) throws(ProtocolError) -> Self {
        var fields = ParamsDecoder(members, at: path)
        let value = try Self(from: &fields)
        try fields.refuseUnknownFields()
        return value
    }
}
