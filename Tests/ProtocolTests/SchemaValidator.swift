import JSON

/// The part of JSON Schema 2020-12 that the document uses. It says what is wrong, and remembers which properties it
/// has seen values for.
struct SchemaValidator {
    let document: SchemaDocument
    /// As `Sandbox.network.mode`: a component's properties are named by the component.
    private(set) var seenProperties: Set<String> = []

    init(_ document: SchemaDocument = .shared) { self.document = document }

    private static let knownKeywords: Set<String> = [
        "$ref", "description", "default", "examples", "type", "enum", "const", "oneOf", "minimum", "maximum",
        "minLength", "maxLength", "pattern", "items", "minItems", "maxItems", "required", "properties",
        "additionalProperties", "propertyNames",
    ]

    /// The first thing that is wrong with `value`, or nil.
    mutating func problem(_ value: JSONValue, _ schema: JSONValue, at place: String) -> String? {
        let place = document.reference(schema) ?? place
        let schema = document.resolve(schema)
        for keyword in schema.objectValue?.keys ?? [:].keys where !Self.knownKeywords.contains(keyword) {
            return "\(place): the test does not know the keyword \(keyword)"
        }
        if let constant = schema["const"], constant != value { return "\(place): not \(constant)" }
        if let choices = schema["enum"]?.arrayValue, !choices.contains(value) {
            return "\(place): not one of \(choices)"
        }
        if let type = schema["type"], !hasType(value, type) { return "\(place): \(value.kindName) is not \(type)" }
        if let problem = alternatives(value, schema, at: place) { return problem }
        switch value {
        case .int, .double: return numberProblem(value, schema, at: place)
        case .string(let text): return stringProblem(text, schema, at: place)
        case .array(let elements): return arrayProblem(elements, schema, at: place)
        case .object(let members): return objectProblem(members, schema, at: place)
        case .null, .bool: return nil
        }
    }

    func accepts(_ value: JSONValue, _ schema: JSONValue) -> Bool {
        var copy = self
        return copy.problem(value, schema, at: "") == nil
    }

    private func hasType(_ value: JSONValue, _ type: JSONValue) -> Bool {
        if case .array(let types) = type { return types.contains { hasType(value, $0) } }
        return switch type.stringValue {
        case "null": value == .null
        case "boolean": value.boolValue != nil
        case "integer": value.intValue != nil
        case "number": value.doubleValue != nil
        case "string": value.stringValue != nil
        case "array": value.arrayValue != nil
        case "object": value.objectValue != nil
        default: false
        }
    }

    private mutating func alternatives(_ value: JSONValue, _ schema: JSONValue, at place: String) -> String? {
        guard let alternatives = schema["oneOf"]?.arrayValue else { return nil }
        let matching = alternatives.enumerated().filter { accepts(value, $0.element) }
        guard matching.count == 1, let match = matching.first else {
            return "\(place): \(matching.count) of oneOf match"
        }
        return problem(value, match.element, at: "\(place)|\(match.offset)")
    }

    private func numberProblem(_ value: JSONValue, _ schema: JSONValue, at place: String) -> String? {
        guard let number = value.doubleValue else { return nil }
        if let minimum = schema["minimum"]?.doubleValue, number < minimum { return "\(place): below \(minimum)" }
        if let maximum = schema["maximum"]?.doubleValue, number > maximum { return "\(place): above \(maximum)" }
        return nil
    }

    private func stringProblem(_ text: String, _ schema: JSONValue, at place: String) -> String? {
        let length = Int64(text.unicodeScalars.count)
        if let minimum = schema["minLength"]?.intValue, length < minimum { return "\(place): too short" }
        if let maximum = schema["maxLength"]?.intValue, length > maximum { return "\(place): too long" }
        guard let pattern = schema["pattern"]?.stringValue else { return nil }
        guard let expression = try? Regex(pattern).matchingSemantics(.unicodeScalar) else {
            return "\(place): the pattern \(pattern) is not valid"
        }
        return text.contains(expression) ? nil : "\(place): \(text) does not match \(pattern)"
    }

    private mutating func arrayProblem(_ elements: [JSONValue], _ schema: JSONValue, at place: String) -> String? {
        if let minimum = schema["minItems"]?.intValue, elements.count < minimum { return "\(place): too few" }
        if let maximum = schema["maxItems"]?.intValue, elements.count > maximum { return "\(place): too many" }
        guard let items = schema["items"] else { return nil }
        for element in elements {
            if let problem = problem(element, items, at: "\(place)[]") { return problem }
        }
        return nil
    }

    private mutating func objectProblem(
        _ members: [String: JSONValue], _ schema: JSONValue, at place: String
    ) -> String? {
        for name in schema["required"]?.arrayValue?.compactMap(\.stringValue) ?? [] where members[name] == nil {
            return "\(place): \(name) is missing"
        }
        for (name, value) in members {
            if let names = schema["propertyNames"], let problem = problem(.string(name), names, at: "\(place){}") {
                return problem
            }
            if let property = schema["properties"]?[name] {
                seenProperties.insert("\(place).\(name)")
                if let problem = problem(value, property, at: "\(place).\(name)") { return problem }
            } else if schema["additionalProperties"] == false {
                return "\(place): \(name) is not a known property"
            } else if let other = schema["additionalProperties"] {
                if let problem = problem(value, other, at: "\(place){}") { return problem }
            }
        }
        return nil
    }

    /// Every property that a value of this schema may have, named as in `seenProperties`.
    func allProperties(of schema: JSONValue, at place: String) -> Set<String> {
        let place = document.reference(schema) ?? place
        let schema = document.resolve(schema)
        var all: Set<String> = []
        for (name, property) in schema["properties"]?.objectValue ?? [:] {
            all.insert("\(place).\(name)")
            all.formUnion(allProperties(of: property, at: "\(place).\(name)"))
        }
        if let items = schema["items"] { all.formUnion(allProperties(of: items, at: "\(place)[]")) }
        for (index, alternative) in (schema["oneOf"]?.arrayValue ?? []).enumerated() {
            all.formUnion(allProperties(of: alternative, at: "\(place)|\(index)"))
        }
        return all
    }
}
