import JSON
import Testing

@Suite struct JSONWriterTests {
    private func text(_ value: JSONValue) -> String { String(decoding: value.serialized(), as: UTF8.self) }

    @Test(
        arguments: [
            (nil, "null"), (true, "true"), (false, "false"), (-7, "-7"), (.int(.min), "-9223372036854775808"),
            (0.1, "0.1"), (1.5e300, "1.5e+300"), (-0.0, "-0.0"), ([], "[]"), ([:], "{}"),
            ([1, "a", nil], "[1,\"a\",null]"),
            (["b": 1, "a": [:]], #"{"a":{},"b":1}"#),
        ] as [(JSONValue, String)])
    func writesCompactSortedJSON(value: JSONValue, expected: String) {
        #expect(text(value) == expected)
    }

    @Test func escapesOnlyWhatItMust() {
        #expect(text("\"\\/\u{8}\n\r\t\u{0}\u{1f}\u{7f}") == #""\"\\/\u0008\n\r\t\u0000\u001f"# + "\u{7f}\"")
        #expect(text("é😀\u{2028}\u{FFFF}") == "\"é😀\u{2028}\u{FFFF}\"")
        #expect(text(["na\"me": "x"]) == #"{"na\"me":"x"}"#)
    }

    @Test(arguments: [Double.nan, .infinity, -.infinity])
    func writesNullForWhatHasNoNumber(value: Double) {
        #expect(text([.double(value)]) == "[null]")
    }

    @Test(arguments: [0.1, 1.0 / 3, .pi, .leastNonzeroMagnitude, .greatestFiniteMagnitude, 1e21, 123456789.125, -0.0])
    func doublesReadBackTheSame(value: Double) throws {
        #expect(try JSONValue.parse(JSONValue.double(value).serialized()) == .double(value))
    }

    @Test func everyScalarReadsBackTheSame() throws {
        let scalars = (UInt32(0)...0x10FFFF).lazy.filter { $0 < 0x3000 || $0 % 251 == 0 }.compactMap(
            Unicode.Scalar.init)
        let everything = JSONValue.string(String(String.UnicodeScalarView(scalars)))
        #expect(try JSONValue.parse(everything.serialized()) == everything)
    }

    @Test func textOfMegabytesReadsBackTheSame() throws {
        let line = "0123456789 \"quoted\" and a tab\tand é\n"
        let value: JSONValue = ["stdout": .string(String(repeating: line, count: 60_000)), "exitCode": 0]
        #expect(try JSONValue.parse(value.serialized()) == value)
    }
}
