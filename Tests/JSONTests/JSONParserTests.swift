import JSON
import Testing

@Suite struct JSONParserTests {
    private func parse(_ text: String) throws(JSONParseError) -> JSONValue { try JSONValue.parse(Array(text.utf8)) }

    @Test(
        arguments: [
            ("null", nil), ("true", true), ("false", false), ("0", 0), ("-7", -7), ("1.5", 1.5), ("1e3", 1000.0),
            ("\"\"", ""), ("[]", []), ("{}", [:]), (" [1, [\"a\"], {\"b\": null}] ", [1, ["a"], ["b": nil]]),
            ("9223372036854775807", .int(.max)), ("-9223372036854775808", .int(.min)),
            ("\"\\u00e9\\ud83d\\ude00\\n\\/\"", "é😀\n/"), ("\"a\\u0000b\"", "a\u{0}b"),
        ] as [(String, JSONValue)])
    func parsesEveryKindOfValue(text: String, value: JSONValue) throws {
        #expect(try parse(text) == value)
    }

    @Test(arguments: [
        "", " ", "nul", "{", "[1,", "[1,]", "{\"a\"}", "{\"a\":1,}", "1 2", "'a'", "\"a", "\"\\x\"", "\"\n\"", "01",
        "+1",
        ".5", "1.", "NaN", "Infinity", "9223372036854775808", "1e999", "\"\\ud800\"", "\"\\udc00\"", "{\"a\\u0000\":1}",
        "\u{FEFF}{}", "// comment\n1", "\u{0}",
    ])
    func refusesWhatIsNotJSON(text: String) {
        #expect(throws: JSONParseError.self) { try parse(text) }
    }

    @Test(
        arguments: [
            [0xff], [0xc0, 0x80], [0xc3], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0x80], [0xe2, 0x82],
        ] as [[UInt8]])
    func refusesWhatIsNotUTF8(bytes: [UInt8]) {
        let quote = UInt8(ascii: "\"")
        #expect(throws: JSONParseError.self) { try JSONValue.parse([quote] + bytes + [quote]) }
    }

    @Test func namesThePlaceAndTheReason() throws {
        let error = try #require(throws: JSONParseError.self) { try parse("{\n  \"a\": 1,\n  \"b\": ]\n}") }
        #expect(error.line == 3)
        #expect(error.column == 8)
        #expect(error.text == "unexpected token near ']'")
    }

    @Test func refusesTheSameNameTwice() throws {
        let error = try #require(throws: JSONParseError.self) { try parse(#"{"a":1,"a":2}"#) }
        #expect(error.text.contains("duplicate object key"))
        #expect(throws: JSONParseError.self) { try parse(#"{"outer":{"a":1,"b":2,"a":3}}"#) }
    }

    @Test func refusesTwoSpellingsOfTheSameName() throws {
        let error = try #require(throws: JSONParseError.self) { try parse(#"{"\u00e9":1,"e\u0301":2}"#) }
        #expect(error.text.contains("two spellings"))
    }

    @Test func acceptsNestingUpToTheLimitAndRefusesMore() throws {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        var depth = 0
        var value = try parse(nested(2047))
        while case .array(let elements) = value, let first = elements.first {
            value = first
            depth += 1
        }
        #expect(depth == 2046)
        #expect(throws: JSONParseError.self) { try parse(nested(2049)) }
        #expect(throws: JSONParseError.self) { try parse(String(repeating: "[", count: 1_000_000)) }
        #expect(throws: JSONParseError.self) { try parse(String(repeating: "{\"a\":", count: 100_000)) }
    }

    @Test func readsAnIntegralDoubleAsAnInteger() throws {
        #expect(try parse("5.0").intValue == 5)
        #expect(try parse("5.5").intValue == nil)
        #expect(try parse("1e30").intValue == nil)
    }
}
