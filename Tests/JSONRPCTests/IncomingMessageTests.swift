import JSON
import JSONRPC
import Testing

@Suite struct IncomingMessageTests {
    private func decode(_ text: String) throws(EnvelopeError) -> IncomingMessage {
        try IncomingMessage(body: Array(text.utf8))
    }

    @Test(
        arguments: [
            ("7", .int(7)), ("-7", .int(-7)), ("0", .int(0)), ("9223372036854775807", .int(.max)),
            (#""a""#, .string("a")),
            (#""""#, .string("")), (#""7""#, .string("7")),
        ] as [(String, RequestID)])
    func aRequestHasAnIntegerOrAStringAsID(id: String, expected: RequestID) throws {
        let text = #"{"jsonrpc":"2.0","id":\#(id),"method":"m","params":{"a":1}}"#
        #expect(try decode(text) == .request(id: expected, method: "m", params: ["a": 1]))
        #expect(String(decoding: expected.json.serialized(), as: UTF8.self) == id)
    }

    @Test(arguments: ["null", "1.5", "1.0", "true", "[]", "{}"])
    func anyOtherIDIsRefused(id: String) throws {
        let error = try #require(throws: EnvelopeError.self) {
            try decode(#"{"jsonrpc":"2.0","id":\#(id),"method":"m"}"#)
        }
        #expect(error.reason == .invalidMessage)
        #expect(error.recipient == .unknown)
        #expect(error.description.contains("`id` must be an integer or a string"))
    }

    @Test func absentParamsAreAnEmptyObject() throws {
        #expect(
            try decode(#"{"jsonrpc":"2.0","id":1,"method":"m"}"#) == .request(id: .int(1), method: "m", params: [:]))
        #expect(try decode(#"{"jsonrpc":"2.0","method":"m"}"#) == .notification(method: "m", params: [:]))
        #expect(
            try decode(#"{"jsonrpc":"2.0","method":"m","params":null}"#) == .notification(method: "m", params: [:]))
    }

    @Test func responsesAreRecognised() throws {
        #expect(try decode(#"{"jsonrpc":"2.0","id":1,"result":null}"#) == .response(id: .int(1)))
        #expect(try decode(#"{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":""}}"#) == .response(id: nil))
    }

    @Test(arguments: ["", "{", "\u{0}", "{\"a\":1,\"a\":2}"])
    func malformedJSONIsAnsweredWithoutAnID(text: String) throws {
        let error = try #require(throws: EnvelopeError.self) { try decode(text) }
        #expect(error.reason == .malformedJSON)
        #expect(error.recipient == .unknown)
    }

    @Test(
        arguments: [
            ("[]", .unknown), (#"[{"jsonrpc":"2.0","id":1,"method":"m"}]"#, .unknown), ("1", .unknown),
            ("{}", .unknown),
            (#"{"id":1,"method":"m"}"#, .request(.int(1))),
            (#"{"jsonrpc":"1.0","id":"a","method":"m"}"#, .request(.string("a"))),
            (#"{"jsonrpc":2.0,"id":1,"method":"m"}"#, .request(.int(1))),
            (#"{"jsonrpc":"2.0","id":1}"#, .request(.int(1))),
            (#"{"jsonrpc":"2.0","id":1,"method":5}"#, .request(.int(1))),
            (#"{"jsonrpc":"2.0","method":null}"#, .unknown),
        ] as [(String, EnvelopeError.Recipient)])
    func anInvalidEnvelopeIsAnsweredWithTheIDThatItHas(text: String, recipient: EnvelopeError.Recipient) throws {
        let error = try #require(throws: EnvelopeError.self) { try decode(text) }
        #expect(error.reason == .invalidMessage)
        #expect(error.recipient == recipient)
    }

    // JSON-RPC allows an array, the protocol's methods do not; anything else is no request at all.
    @Test(
        arguments: [
            ("[]", .invalidParams), ("1", .invalidMessage), ("\"a\"", .invalidMessage),
        ] as [(String, EnvelopeError.Reason)])
    func paramsMustBeAnObject(params: String, reason: EnvelopeError.Reason) throws {
        let request = try #require(throws: EnvelopeError.self) {
            try decode(#"{"jsonrpc":"2.0","id":3,"method":"m","params":\#(params)}"#)
        }
        #expect(request.reason == reason)
        #expect(request.recipient == .request(.int(3)))
        let notification = try #require(throws: EnvelopeError.self) {
            try decode(#"{"jsonrpc":"2.0","method":"m","params":\#(params)}"#)
        }
        #expect(notification.recipient == .nobody)
    }
}

@Suite struct OutgoingMessageTests {
    private func text(_ message: OutgoingMessage) -> String { String(decoding: message.framed(), as: UTF8.self) }

    @Test func framesCountBytes() {
        #expect(
            text(.result(id: .string("é"), ["a": "€"]))
                == "Content-Length: 48\r\n\r\n" + #"{"id":"é","jsonrpc":"2.0","result":{"a":"€"}}"#)
        #expect(
            text(.notification(method: "m", params: [:]))
                == "Content-Length: 42\r\n\r\n" + #"{"jsonrpc":"2.0","method":"m","params":{}}"#)
    }

    @Test func errorsCarryNullForAnUnknownID() throws {
        let message = OutgoingMessage.error(id: nil, code: -32700, message: "bad", data: ["kind": "ParseError"])
        let body = try #require(text(message).split(separator: "\r\n").last)
        #expect(
            body == #"{"error":{"code":-32700,"data":{"kind":"ParseError"},"message":"bad"},"id":null,"jsonrpc":"2.0"}"#
        )
    }

    @Test func whatIsSentCanBeDecoded() {
        var decoder = FrameDecoder()
        let message = OutgoingMessage.result(id: .int(1), .null)
        let body = #"{"id":1,"jsonrpc":"2.0","result":null}"#
        #expect(decoder.feed(message.framed().span) == [.message(Array(body.utf8))])
    }
}
