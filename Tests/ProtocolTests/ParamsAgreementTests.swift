import JSON
import Testing

@testable import Protocol

/// The Swift types of params and the schema accept the same: names, required fields, defaults, words and ranges.
@Suite struct ParamsAgreementTests {
    private let document = SchemaDocument.shared

    /// Any params type, whatever sends it.
    private struct Decoder: Sendable {
        let method: String
        let decode: @Sendable ([String: JSONValue]) throws -> any Equatable
        let fieldNames: @Sendable ([String: JSONValue]) throws -> [String]
    }

    private static func decoder<Request: ProtocolRequest>(_ request: Request.Type) -> Decoder {
        Decoder(
            method: request.method,
            decode: { members in
                let (params, token) = try request.decode(members)
                return Decoded(params: params, token: token)
            },
            fieldNames: { members in
                var fields = ParamsDecoder(members, at: FieldPath(method: request.method))
                _ = try request.decode(&fields)
                return fields.names
            })
    }

    private static func decoder<Notification: ClientNotification>(_ notification: Notification.Type) -> Decoder {
        Decoder(
            method: notification.method,
            decode: { try notification.decode($0) },
            fieldNames: { members in
                var fields = ParamsDecoder(members, at: FieldPath(method: notification.method))
                _ = try Notification.Params(from: &fields)
                return fields.names
            })
    }

    private struct Decoded<Params: Equatable>: Equatable {
        let params: Params
        let token: Token?
    }

    private static let decoders: [Decoder] =
        Registry.requests.map { decoder($0) } + Registry.clientNotifications.map { decoder($0) }

    private static func decoder(named method: String) throws -> Decoder {
        try #require(decoders.first { $0.method == method })
    }

    private static let methods = decoders.map(\.method)

    /// The required fields alone.
    private func minimal(_ method: SchemaDocument.Method) -> [String: JSONValue] {
        Dictionary(
            uniqueKeysWithValues: method.params.filter(\.isRequired).map { ($0.name, document.sample($0.schema)) })
    }

    private func equal(_ left: any Equatable, _ right: any Equatable) -> Bool {
        func compare<Value: Equatable>(_ left: Value) -> Bool { left == right as? Value }
        return compare(left)
    }

    @Test func theRegistryAndTheDocumentListTheSameMethods() {
        func names(_ sender: String?) -> [String] {
            document.methods.filter { $0.notificationSender == sender }.map(\.name).sorted()
        }
        #expect(Registry.requests.map { $0.method }.sorted() == names(nil))
        #expect(Registry.clientNotifications.map { $0.method }.sorted() == names("client"))
        #expect(Registry.serverNotifications.map { $0.method }.sorted() == names("server"))
    }

    @Test(arguments: methods)
    func theFieldsAreTheSame(method name: String) throws {
        let method = try #require(document.method(name))
        let decoder = try Self.decoder(named: name)
        #expect(try decoder.fieldNames(minimal(method)).sorted() == method.params.map(\.name).sorted())
    }

    @Test(arguments: methods)
    func eachRequiredFieldIsMissed(method name: String) throws {
        let method = try #require(document.method(name))
        let decoder = try Self.decoder(named: name)
        let members = minimal(method)
        for field in members.keys {
            let error = try #require(throws: ProtocolError.self) {
                _ = try decoder.decode(members.filter { $0.key != field })
            }
            #expect(error.kind == .invalidParams)
            #expect(error.details["field"] == .string(field))
            #expect(error.message.hasPrefix("\(name): `\(field)` is missing"))
        }
    }

    @Test(arguments: methods)
    func anUnknownFieldIsRefused(method name: String) throws {
        let method = try #require(document.method(name))
        let decoder = try Self.decoder(named: name)
        var members = minimal(method)
        members["memMib"] = 1
        let error = try #require(throws: ProtocolError.self) { _ = try decoder.decode(members) }
        #expect(error.kind == .invalidParams)
        #expect(error.details["field"] == "memMib")
    }

    @Test(arguments: methods)
    func theDefaultsAreTheSame(method name: String) throws {
        let method = try #require(document.method(name))
        let decoder = try Self.decoder(named: name)
        let members = minimal(method)
        let withoutField = try decoder.decode(members)
        for parameter in method.params where !parameter.isRequired {
            if let value = document.resolve(parameter.schema)["default"] {
                let explicit = try decoder.decode(members.merging([parameter.name: value]) { $1 })
                #expect(equal(withoutField, explicit), "\(parameter.name)")
            }
        }
    }

    @Test(arguments: methods)
    func eachOptionalFieldMakesADifference(method name: String) throws {
        let method = try #require(document.method(name))
        let decoder = try Self.decoder(named: name)
        let members = minimal(method)
        let withoutField = try decoder.decode(members)
        for parameter in method.params where !parameter.isRequired {
            let schema = document.resolve(parameter.schema)
            // A choice of one word, as `protocolVersion` is, changes nothing yet.
            if schema["enum"]?.arrayValue?.count == 1 { continue }
            let other = try #require(
                Self.values(around: schema, document).first {
                    $0 != schema["default"] && SchemaValidator(document).accepts($0, schema)
                })
            let withField = try decoder.decode(members.merging([parameter.name: other]) { $1 })
            #expect(!equal(withoutField, withField), "\(parameter.name): \(other)")
        }
    }

    /// For each field, many values: those that the schema accepts are decoded, and no others.
    @Test(arguments: methods)
    func eachFieldAcceptsTheSameValues(method name: String) throws {
        let method = try #require(document.method(name))
        let decoder = try Self.decoder(named: name)
        let schema = document.paramsSchema(of: method)
        for parameter in method.params {
            for value in Self.values(around: document.resolve(parameter.schema), document) {
                var members = minimal(method)
                members[parameter.name] = value
                let isAccepted = SchemaValidator(document).accepts(.object(members), schema)
                let text = String(decoding: value.serialized().prefix(200), as: UTF8.self)
                do {
                    _ = try decoder.decode(members)
                    #expect(isAccepted, "\(parameter.name) must not accept \(text)")
                } catch let error as ProtocolError {
                    #expect(!isAccepted, "\(parameter.name) must accept \(text): \(error)")
                    #expect(error.kind == .invalidParams)
                }
            }
        }
    }

    /// Values inside and outside of a schema: its words, its borders, and some of every kind.
    private static func values(around schema: JSONValue, _ document: SchemaDocument) -> [JSONValue] {
        let schema = document.resolve(schema)
        var values: [JSONValue] = [document.sample(schema)] + (schema["examples"]?.arrayValue ?? [])
        values += schema["enum"]?.arrayValue ?? []
        // JSON Schema counts 5.0 as an integer. Ids and tokens do not, since they come back as they were written.
        if schema["type"] == "integer" { values.append(5.0) }
        for border in [schema["minimum"], schema["maximum"]].compactMap(\.?.intValue) {
            values.append(.int(border))
            values += border == .max ? [.double(1e19)] : [.int(border + 1)]
            values += border == .min ? [.double(-1e19)] : [.int(border - 1)]
        }
        if let length = schema["maxLength"]?.intValue {
            for count in [length, length + 1] {
                values.append(.string(String(repeating: "a", count: Int(count))))
                values.append(.string("/" + String(repeating: "a", count: Int(count) - 1)))
            }
        }
        if let items = schema["items"] {
            let element = document.sample(items)
            for border in [schema["minItems"], schema["maxItems"]].compactMap(\.?.intValue) {
                values.append(.array(Array(repeating: element, count: Int(border))))
                values.append(.array(Array(repeating: element, count: Int(border) + 1)))
            }
            values += self.values(around: items, document).map { [$0] }
        }
        for (name, property) in schema["properties"]?.objectValue ?? [:] {
            var members = document.sample(schema).objectValue ?? [:]
            for value in self.values(around: property, document) {
                members[name] = value
                values.append(.object(members))
            }
        }
        for alternative in schema["oneOf"]?.arrayValue ?? [] { values += self.values(around: alternative, document) }
        return values + everyKind
    }

    private static let everyKind: [JSONValue] = [
        nil, true, false, 0, 1, -1, 5, 5.5, 1e300, "", "abcd", "/", "/a", "a/b", "/a\u{0}b", "a\u{0}b", "a b", "a=b",
        "a\nb", "a\tb", "é", "5", "1", "-a", "a-", "a-b.c", "a..b", ".", "a_b", "utf8", "UTF8", "nat", "SIGKILL",
        "KILL",
        [], ["a"], [""], ["a\u{0}b"], [1], [nil], [[]], ["a", "b"], [:], ["a": "b"], ["a": 1], ["a": nil], ["": "b"],
        ["a=b": "c"], ["a\u{0}": "b"], ["a": "b\u{0}"], ["a": "b=c\n"], ["mode": "nat"], ["mode": "bridge"],
        ["mode": "nat", "x": 1], ["cols": 80, "rows": 24], ["cols": 80], ["name": "a", "version": "1"],
    ]
}
