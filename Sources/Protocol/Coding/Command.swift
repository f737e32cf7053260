import JSON

/// What to run.
public enum Command: Equatable, Sendable, JSONEncodable {
    /// Run by `/bin/sh -c`.
    case shell(String)
    /// Run as it is; never empty.
    case arguments([String])

    public var json: JSONValue {
        switch self {
        case .shell(let text): .string(text)
        case .arguments(let arguments): arguments.json
        }
    }
}

extension FieldType<Command> {
    static var command: FieldType {
        let shell = FieldType<String>.argument
        let arguments = FieldType<[String]>.array(of: .argument, count: 1...FieldLimit.arguments)
        return FieldType(parts: "a string for /bin/sh or an array of arguments") {
            (value, path) throws(ProtocolError) in
            switch value {
            case .string: .shell(try shell.read(value, path))
            case .array: .arguments(try arguments.read(value, path))
            default:
                throw .invalidParams(path, "must be a string for /bin/sh or an array of arguments, not \(value.found)")
            }
        }
    }
}
