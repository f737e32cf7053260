import JSONRPC
import Kernel

/// Reads the client's messages from standard input, one after the other.
enum Connection {
    /// As much as a pipe holds.
    private static let chunkSize = 64 * 1024

    /// Feeds the session until the input ends.
    ///
    /// Stops reading while the client does not take what is queued for it: so answers never pile up without bound.
    ///
    /// - Returns: nil at the end of input, or why the stream cannot be read on.
    static func serve(_ input: borrowing OwnedFD, _ session: Session) -> String? {
        var decoder = FrameDecoder()
        while true {
            session.writer.waitUntilDrained()
            let chunk: [UInt8]
            do throws(KernelError) {
                switch try input.readOnce(upTo: chunkSize) {
                case .bytes(let bytes): chunk = bytes
                case .wouldBlock: continue
                case .end: return decoder.isBetweenMessages ? nil : "the input ended within a message"
                }
            } catch {
                return "\(error)"
            }
            for event in decoder.feed(chunk) {
                switch event {
                case .message(let body): session.receive(body)
                case .oversized(let length): session.refuseOversized(length: length)
                case .fatal(let error): return error.description
                }
            }
        }
    }
}

extension FrameDecoder {
    /// As `feed` of a span. (The compiler of Swift 6.3.1 crashes on a span that is made where others are thrown past.)
    fileprivate mutating func feed(_ chunk: [UInt8]) -> [Event] { feed(chunk.span) }
}
