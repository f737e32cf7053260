/// Sizes that the transport allows.
public enum TransportLimit {
    /// Bytes of one header block with its empty line. The two fields that exist need far less; more is not a client.
    public static let header = 8 * 1024
    /// Bytes of one message's body. Bounds what one message can make the engine hold.
    public static let body = 64 * 1024 * 1024
}

/// Why the start of the next message cannot be found any more; the connection is lost.
public struct FramingError: Error, Equatable, Sendable, CustomStringConvertible {
    /// One line that says what was expected and what came.
    public let description: String

    public init(_ description: String) { self.description = description }
}

/// Cuts a byte stream into the messages of LSP's base protocol, however the stream is split.
///
/// Pure: it holds no descriptor, only the bytes of the message that is under way, never more than
/// `TransportLimit.header` or `TransportLimit.body` of them.
public struct FrameDecoder: Sendable {
    public enum Event: Equatable, Sendable {
        /// The body of one message, as it came.
        case message([UInt8])
        /// A body longer than `TransportLimit.body` begins. Its bytes are dropped, then decoding goes on.
        case oversized(length: Int)
        /// Nothing after this can be understood. It is the last event.
        case fatal(FramingError)
    }

    private enum State: Sendable {
        case header(HeaderBlock)
        case body([UInt8], length: Int)
        case skipping(remaining: Int)
        case failed
    }

    private var state = State.header(HeaderBlock())

    public init() {}

    /// Whether the stream may end here without cutting a message.
    public var isBetweenMessages: Bool {
        guard case .header(let block) = state else { return false }
        return block.isEmpty
    }

    /// Takes the next bytes of the stream and returns what they complete, in order.
    public mutating func feed(_ chunk: Span<UInt8>) -> [Event] {
        var events: [Event] = []
        var position = 0
        while position < chunk.count {
            let rest = chunk.extracting(position...)
            switch state {
            case .header(var block):
                position += advanceHeader(&block, rest, &events)
            case .body(var body, let length):
                // Released here, so that appending does not copy what was collected so far.
                state = .failed
                let count = min(length - body.count, rest.count)
                body.append(copying: rest.extracting(first: count))
                position += count
                settle(body, length: length, &events)
            case .skipping(let remaining):
                let count = min(remaining, rest.count)
                position += count
                state = count == remaining ? .header(HeaderBlock()) : .skipping(remaining: remaining - count)
            case .failed:
                return events
            }
        }
        return events
    }

    /// Feeds the header's next bytes; returns how many of them belong to it.
    private mutating func advanceHeader(_ block: inout HeaderBlock, _ rest: Span<UInt8>, _ events: inout [Event]) -> Int
    {
        state = .failed
        for index in rest.indices {
            do {
                guard let length = try block.append(rest[index]) else { continue }
                if length > TransportLimit.body {
                    events.append(.oversized(length: length))
                    state = .skipping(remaining: length)
                } else {
                    var body: [UInt8] = []
                    // Pages that no byte is written to cost nothing, so a length alone cannot use up memory.
                    body.reserveCapacity(length)
                    settle(body, length: length, &events)
                }
            } catch {
                events.append(.fatal(error))
            }
            return index + 1
        }
        state = .header(block)
        return rest.count
    }

    /// Delivers a body that is complete, or waits for the rest of it.
    private mutating func settle(_ body: consuming [UInt8], length: Int, _ events: inout [Event]) {
        if body.count == length {
            events.append(.message(body))
            state = .header(HeaderBlock())
        } else {
            state = .body(body, length: length)
        }
    }
}

extension [UInt8] {
    fileprivate mutating func append(copying bytes: Span<UInt8>) {
        // unsafe: the buffer is copied within the call. Array cannot append a Span in Swift 6.2.
        unsafe bytes.withUnsafeBufferPointer { unsafe append(contentsOf: $0) }
    }
}
