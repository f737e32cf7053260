import JSON
import JSONRPC
import Protocol

/// Decodes the input as one message, down to the params of its method. Whatever is JSON must read back the same once
/// it is written.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzMessage(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    // unsafe: libFuzzer's buffer has that many bytes and is copied here.
    let input = unsafe Array(UnsafeBufferPointer(start: start, count: count))
    if let value = try? JSONValue.parse(input) {
        let bytes = value.serialized()
        guard let again = try? JSONValue.parse(bytes) else { fatalError("what is written cannot be read") }
        precondition(again.serialized() == bytes, "writing is not stable")
    }
    do {
        switch try IncomingMessage(body: input) {
        case .request(_, let method, let params):
            guard let request = Registry.requests.first(where: { $0.method == method }) else { break }
            _ = try request.decode(params)
        case .notification(let method, let params):
            guard let notification = Registry.clientNotifications.first(where: { $0.method == method }) else { break }
            _ = try notification.decode(params)
        case .response: break
        }
    } catch let error as EnvelopeError {
        precondition(!ProtocolError(error).response(to: nil).framed().isEmpty)
    } catch let error as ProtocolError {
        precondition(error.kind == .invalidParams, "decoding params failed otherwise: \(error)")
    } catch {
        fatalError("an untyped error: \(error)")
    }
    return 0
}
