import Testing

@testable import Sandbox

@Suite struct NameMessageTests {
    private static let question = NameMessage(askingFor: "a.Example", number: 0x1234)?.bytes ?? []
    /// Two addresses behind a further name, which is written as a pointer.
    private static let answer: [UInt8] =
        Array(question[..<2]) + [0x81, 0x80, 0, 1, 0, 3, 0, 0, 0, 0] + Array(question[12...])
        + [0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 4, 1, 98, 0xc0, 14]
        + [1, 98, 0xc0, 14, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 1]
        + [1, 98, 0xc0, 14, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 2]

    @Test func readsQuestionsAndAnswers() throws {
        let question = try #require(NameMessage(Self.question))
        #expect(question.name == "a.example")
        #expect(question.type == NameMessage.RecordType.address)
        let answer = try #require(NameMessage(Self.answer))
        #expect(answer.answers(question))
        #expect(!question.answers(question))
        #expect(answer.addresses == ["192.0.2.1", "192.0.2.2"])
    }

    /// What comes from a sandbox, or from a server, may be cut and changed anywhere.
    @Test func survivesWhatIsBroken() {
        for length in 0..<Self.answer.count {
            let cut = NameMessage(Array(Self.answer.prefix(length)))
            #expect((cut?.addresses ?? []).count < 2)
        }
        for position in Self.answer.indices {
            for byte: UInt8 in [0, 1, 0x3f, 0x40, 0xc0, 0xff] {
                var bytes = Self.answer
                bytes[position] = byte
                if let message = NameMessage(bytes) { #expect(message.addresses.count <= 3) }
            }
        }
    }

    @Test func refusesNamesThatLookLikeOthers() {
        func ask(_ label: [UInt8]) -> NameMessage? {
            NameMessage(Array(Self.question[..<12]) + [UInt8(label.count)] + label + [0, 0, 1, 0, 1])
        }
        #expect(ask(Array("a".utf8)) != nil)
        #expect(ask(Array("a.b".utf8)) == nil)
        #expect(ask(Array("\u{212a}".utf8)) == nil)
    }
}
