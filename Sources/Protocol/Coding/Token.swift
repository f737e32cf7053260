import JSON

/// A client's own name for a stream of notifications; it comes back unchanged in each of them.
public enum Token: Hashable, Sendable, JSONEncodable {
    case int(Int)
    case string(String)

    public var json: JSONValue {
        switch self {
        case .int(let number): number.json
        case .string(let text): .string(text)
        }
    }
}

extension FieldType<Token> {
    static var token: FieldType {
        FieldType("an integer or a string") { value in
            switch value {
            case .int(let number): .int(Int(number))
            case .string(let text): .string(text)
            default: nil
            }
        }
    }
}
