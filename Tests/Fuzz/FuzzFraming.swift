import JSONRPC

/// Feeds the input to the frame decoder, split where the first byte says, and holds the result against that of the
/// input fed at once.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzFraming(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 0 else { return 0 }
    // unsafe: libFuzzer's buffer has that many bytes and is copied here.
    let input = unsafe Array(UnsafeBufferPointer(start: start, count: count))
    let stream = Array(input.dropFirst())
    var whole = FrameDecoder()
    let expected = whole.feed(stream.span)

    let step = Int(input[0] % 32) + 1
    var pieces = FrameDecoder()
    var events: [FrameDecoder.Event] = []
    for offset in stride(from: 0, to: stream.count, by: step) {
        events += pieces.feed(stream.span.extracting(offset..<min(offset + step, stream.count)))
    }
    precondition(events == expected, "the split changes what is decoded")
    precondition(pieces.isBetweenMessages == whole.isBetweenMessages)

    for (index, event) in events.enumerated() {
        switch event {
        case .message(let body): precondition(body.count <= min(stream.count, TransportLimit.body))
        case .oversized(let length): precondition(length > TransportLimit.body)
        case .fatal: precondition(index == events.count - 1, "something follows a fatal error")
        }
    }
    return 0
}
