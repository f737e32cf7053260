import EmbeddedFiles
import JSON

/// The OpenRPC document that the engine embeds, and what the tests ask of it.
struct SchemaDocument {
    let root: JSONValue

    static let shared = SchemaDocument()

    private init() {
        do {
            root = try JSONValue.parse(EmbeddedFiles.schema())
        } catch {
            fatalError("schema/isorun.openrpc.json: \(error)")
        }
    }

    struct Method {
        let name: String
        /// Who sends it, if it is a notification.
        let notificationSender: String?
        let params: [Parameter]
        let result: JSONValue?
        let errors: [String]
    }

    struct Parameter {
        let name: String
        let isRequired: Bool
        let schema: JSONValue
    }

    var methods: [Method] {
        (root["methods"]?.arrayValue ?? []).map { method in
            Method(
                name: method["name"]?.stringValue ?? "",
                notificationSender: method["x-notification"]?.stringValue,
                params: (method["params"]?.arrayValue ?? []).map(resolve).map { parameter in
                    Parameter(
                        name: parameter["name"]?.stringValue ?? "",
                        isRequired: parameter["required"]?.boolValue ?? false,
                        schema: parameter["schema"] ?? .null)
                },
                result: method["result"]?["schema"],
                errors: (method["errors"]?.arrayValue ?? []).compactMap { reference($0) })
        }
    }

    func method(_ name: String) -> Method? { methods.first { $0.name == name } }

    /// The params of a method as one schema.
    func paramsSchema(of method: Method) -> JSONValue {
        let required = method.params.filter(\.isRequired).map { JSONValue.string($0.name) }
        let properties = Dictionary(uniqueKeysWithValues: method.params.map { ($0.name, $0.schema) })
        return [
            "type": "object", "required": .array(required), "properties": .object(properties),
            "additionalProperties": false,
        ]
    }

    var errors: [String: JSONValue] { root["components"]?["errors"]?.objectValue ?? [:] }

    /// The last part of a `$ref`.
    func reference(_ value: JSONValue) -> String? {
        value["$ref"]?.stringValue.map { String($0.split(separator: "/").last ?? "") }
    }

    /// A schema or descriptor with its `$ref` replaced; what stands beside the `$ref` takes precedence.
    func resolve(_ value: JSONValue) -> JSONValue {
        guard let path = value["$ref"]?.stringValue else { return value }
        var target = root
        for part in path.split(separator: "/").dropFirst() { target = target[String(part)] ?? .null }
        var members = resolve(target).objectValue ?? [:]
        for (name, sibling) in value.objectValue ?? [:] where name != "$ref" { members[name] = sibling }
        return .object(members)
    }

    /// A value that the schema accepts.
    func sample(_ schema: JSONValue) -> JSONValue {
        let schema = resolve(schema)
        if let value = schema["default"] ?? schema["examples"]?.arrayValue?.first ?? schema["const"] { return value }
        if let value = schema["enum"]?.arrayValue?.first { return value }
        switch schema["type"]?.stringValue {
        case "integer", "number": return schema["minimum"] ?? 0
        case "boolean": return true
        case "array": return [sample(schema["items"] ?? .null)]
        case "object":
            let required = (schema["required"]?.arrayValue ?? []).compactMap(\.stringValue)
            let properties = schema["properties"]?.objectValue ?? [:]
            return .object(Dictionary(uniqueKeysWithValues: required.map { ($0, sample(properties[$0] ?? .null)) }))
        default: return "abcd"
        }
    }
}
