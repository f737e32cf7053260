import JSON

/// What can be written into a result, a notification or an error.
public protocol JSONEncodable: Sendable {
    var json: JSONValue { get }
}

extension JSONValue {
    /// An object of the given fields; one whose value is nil is left out.
    static func fields(_ fields: KeyValuePairs<String, (any JSONEncodable)?>) -> JSONValue {
        var members: [String: JSONValue] = [:]
        members.reserveCapacity(fields.count)
        for case (let name, let value?) in fields { members[name] = value.json }
        return .object(members)
    }
}

extension JSONValue: JSONEncodable {
    public var json: JSONValue { self }
}

extension String: JSONEncodable {
    public var json: JSONValue { .string(self) }
}

extension Int: JSONEncodable {
    public var json: JSONValue { .int(Int64(self)) }
}

extension Bool: JSONEncodable {
    public var json: JSONValue { .bool(self) }
}

extension Array: JSONEncodable where Element: JSONEncodable {
    public var json: JSONValue { .array(map(\.json)) }
}

extension Dictionary: JSONEncodable where Key == String, Value: JSONEncodable {
    public var json: JSONValue { .object(mapValues(\.json)) }
}

/// The result of a method that has nothing to tell.
public struct NullResult: JSONEncodable, Equatable {
    public init() {}

    public var json: JSONValue { .null }
}

/// A closed set of words on the wire; the raw value is the word.
public protocol WireChoice: RawRepresentable<String>, CaseIterable, JSONEncodable {}

extension WireChoice {
    public var json: JSONValue { .string(rawValue) }
}
