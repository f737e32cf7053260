import JSONRPC
import Testing

@Suite struct FrameDecoderTests {
    typealias Event = FrameDecoder.Event

    private func frame(_ body: String, header: String? = nil) -> [UInt8] {
        Array("\(header ?? "Content-Length: \(body.utf8.count)\r\n")\r\n\(body)".utf8)
    }

    private func decode(_ bytes: [UInt8], chunk: Int = .max) -> [Event] {
        var decoder = FrameDecoder()
        var events: [Event] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            let next = Array(rest.prefix(chunk))
            events += decoder.feed(next.span)
            rest = rest.dropFirst(chunk)
        }
        return events
    }

    private func message(_ text: String) -> Event { .message(Array(text.utf8)) }

    private func isFatal(_ events: [Event]) -> Bool {
        guard case .fatal = events.last else { return false }
        return true
    }

    @Test(arguments: [1, 2, 3, 7, 16, 1000])
    func splitAndGluedFramesGiveTheSameMessages(chunk: Int) {
        let bytes = frame("{}") + frame("") + frame("{\"é\":1}") + frame("\r\n\r\nContent-Length: 1\r\n\r\n")
        #expect(
            decode(bytes, chunk: chunk)
                == [message("{}"), message(""), message("{\"é\":1}"), message("\r\n\r\nContent-Length: 1\r\n\r\n")])
    }

    @Test(arguments: [
        "content-length:2\r\n", "CONTENT-LENGTH: \t 2 \r\n", "Content-Length: 0002\r\n",
        "Content-Type: application/vscode-jsonrpc; charset=utf-8\r\nContent-Length: 2\r\n",
        "Content-Length: 2\r\ncontent-type: text/plain\r\n", "X-Unknown: a:b\r\nContent-Length: 2\r\n",
    ])
    func acceptsHeaders(header: String) {
        #expect(decode(frame("{}", header: header)) == [message("{}")])
    }

    @Test(arguments: [
        "\r\n", "Content-Type: a\r\n\r\n", "Content-Length: -1\r\n", "Content-Length: +1\r\n", "Content-Length:\r\n",
        "Content-Length: 1x\r\n", "Content-Length: 1 1\r\n", "Content-Length: 99999999999999999999\r\n",
        "Content-Length: 0x10\r\n", "Content-Length: ١\r\n", "no colon\r\n", "Content-Length: 2\n", "{}\n",
        "Content-Length: 2\r\nContent-Length: 2\r\n",
    ])
    func anUnreadableHeaderIsFatalAtOnce(header: String) {
        let events = decode(Array(header.utf8), chunk: 1)
        #expect(events.count == 1)
        #expect(isFatal(events))
    }

    @Test func nothingFollowsAFatalError() {
        var decoder = FrameDecoder()
        #expect(isFatal(decoder.feed(Array("broken\r\n".utf8).span)))
        #expect(decoder.feed(frame("{}").span).isEmpty)
    }

    @Test func aHeaderBlockMayFillItsLimitAndNotExceedIt() {
        let length = "Content-Length: 2\r\n"
        func padded(to size: Int) -> [UInt8] {
            let padding = size - length.utf8.count - "X: \r\n\r\n".utf8.count
            return frame("{}", header: "X: \(String(repeating: "x", count: padding))\r\n\(length)")
        }
        #expect(decode(padded(to: TransportLimit.header)) == [message("{}")])
        #expect(isFatal(decode(padded(to: TransportLimit.header + 1))))
        #expect(isFatal(decode(Array(repeating: UInt8(ascii: "x"), count: TransportLimit.header + 1))))
    }

    @Test func anOversizedBodyIsSkippedAndTheNextMessageRead() {
        var decoder = FrameDecoder()
        let length = TransportLimit.body + 1
        #expect(decoder.feed(frame("", header: "Content-Length: \(length)\r\n").span) == [.oversized(length: length)])
        let chunk = [UInt8](repeating: UInt8(ascii: "{"), count: 1024 * 1024)
        var left = length
        while left > 0 {
            let part = Array(chunk.prefix(left))
            #expect(decoder.feed(part.span).isEmpty)
            left -= part.count
        }
        #expect(decoder.isBetweenMessages)
        #expect(decoder.feed(frame("{}").span) == [message("{}")])
    }

    @Test func aBodyOfTheLimitIsAccepted() {
        let body = [UInt8](repeating: UInt8(ascii: " "), count: TransportLimit.body)
        var decoder = FrameDecoder()
        #expect(decoder.feed(Array("Content-Length: \(body.count)\r\n\r\n".utf8).span).isEmpty)
        #expect(decoder.feed(body.span) == [.message(body)])
    }

    @Test func knowsWhetherTheStreamEndsInsideAMessage() {
        var decoder = FrameDecoder()
        #expect(decoder.isBetweenMessages)
        for byte in frame("{}") {
            _ = decoder.feed([byte].span)
            #expect(decoder.isBetweenMessages == (byte == UInt8(ascii: "}")))
        }
    }
}
