import JSON
import Testing

@testable import Protocol

/// What the engine sends is what the schema says, and the schema says nothing that the engine cannot send.
@Suite struct ResultAgreementTests {
    private let document = SchemaDocument.shared

    @Test func resultsAgree() throws {
        let requests = document.methods.filter { $0.notificationSender == nil }
        #expect(Set(Samples.results.map(\.method)) == Set(requests.map(\.name)))
        try check(Samples.results) { method in (method.result ?? .null, "\(method.name) result") }
    }

    @Test func notificationsAgree() throws {
        let notifications = document.methods.filter { $0.notificationSender == "server" }
        #expect(Set(Samples.notifications.map(\.method)) == Set(notifications.map(\.name)))
        try check(Samples.notifications) { method in (document.paramsSchema(of: method), "\(method.name) params") }
    }

    private func check(
        _ samples: [Samples.Sample], against schema: (SchemaDocument.Method) -> (JSONValue, String)
    ) throws {
        var validator = SchemaValidator(document)
        var expected: Set<String> = []
        for sample in samples {
            let (schema, place) = schema(try #require(document.method(sample.method)))
            let problem = validator.problem(sample.json, schema, at: place)
            #expect(problem == nil, "\(sample.json)")
            expected.formUnion(validator.allProperties(of: schema, at: place))
        }
        #expect(expected.subtracting(validator.seenProperties).sorted() == [], "no sample has these")
    }

    @Test func everyMethodAndFieldIsDescribed() {
        for case .object(let method) in document.root["methods"]?.arrayValue ?? [] {
            #expect(method["description"]?.stringValue?.isEmpty == false, "\(method["name"] ?? .null)")
            #expect(method["paramStructure"] == "by-name")
            for parameter in method["params"]?.arrayValue ?? [] {
                #expect(document.resolve(parameter)["description"]?.stringValue?.isEmpty == false)
            }
        }
    }

    @Test func everyObjectIsClosed() {
        func check(_ value: JSONValue, at place: String) {
            switch value {
            case .object(let members):
                if members["type"] == "object", members["properties"] != nil {
                    #expect(members["additionalProperties"] == false, "\(place)")
                    for (name, property) in members["properties"]?.objectValue ?? [:] where property["const"] == nil {
                        let text = document.resolve(property)["description"]
                        #expect(text?.stringValue?.isEmpty == false, "\(place).\(name) has no description")
                    }
                }
                for (name, member) in members { check(member, at: "\(place).\(name)") }
            case .array(let elements):
                for element in elements { check(element, at: place) }
            default: break
            }
        }
        check(document.root, at: "")
    }
}
