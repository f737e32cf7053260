import Glibc
import JSON
import Synchronization
import Testing

@testable import JSONRPC

@Suite struct MessageWriterTests {
    /// A pipe that plays the client's side; blocking, like stdout.
    private final class Pipe: Sendable {
        let readEnd: Int32
        let writeEnd: Int32

        init() {
            var ends: [Int32] = [0, 0]
            precondition(pipe(&ends) == 0)
            (readEnd, writeEnd) = (ends[0], ends[1])
        }

        deinit {
            close(readEnd)
            close(writeEnd)
        }

        func writeAll(_ bytes: [UInt8]) throws {
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { write(writeEnd, $0.baseAddress, $0.count) }
                guard count > 0 else { throw BrokenPipe() }
                rest = rest.dropFirst(count)
            }
        }

        /// Reads until `count` messages have come.
        func readMessages(_ count: Int) -> [[UInt8]] {
            var decoder = FrameDecoder()
            var messages: [[UInt8]] = []
            var buffer = [UInt8](repeating: 0, count: 65536)
            while messages.count < count {
                let got = read(readEnd, &buffer, buffer.count)
                guard got > 0 else { return messages }
                for case .message(let body) in decoder.feed(buffer.span.extracting(first: got)) {
                    messages.append(body)
                }
            }
            return messages
        }
    }

    private struct BrokenPipe: Error {}

    private final class Counter: Sendable {
        private let value = Mutex(0)
        func increment() { value.withLock { $0 += 1 } }
        var count: Int { value.withLock { $0 } }
    }

    /// Work on a thread of its own: what blocks must not sit on one of the few threads that run the tests.
    private final class Background<Result: Sendable>: Sendable {
        private let result = Monitor<Result?>(nil)

        init(_ work: @escaping @Sendable () -> Result) throws {
            try startThread { [result] in
                let value = work()
                result.update { $0 = value }
            }
        }

        var value: Result? { result.wait(until: { $0 != nil }, then: { $0 }) }
    }

    private func makeWriter(on pipe: Pipe, onBroken: @escaping @Sendable () -> Void = {}) throws -> MessageWriter {
        try MessageWriter(write: { try pipe.writeAll($0) }, onBroken: { _ in onBroken() })
    }

    private func note(_ number: Int, size: Int = 0) -> OutgoingMessage {
        .notification(
            method: "n", params: ["number": .int(Int64(number)), "text": .string(String(repeating: "x", count: size))])
    }

    private func number(_ body: [UInt8]) throws -> Int64? {
        try JSONValue.parse(body)["params"]?["number"]?.intValue
    }

    @Test func writesInTheOrderSent() throws {
        let pipe = Pipe()
        let writer = try makeWriter(on: pipe)
        for index in 0..<1000 { writer.send(note(index)) }
        #expect(try pipe.readMessages(1000).map(number) == (0..<1000).map { Int64($0) })
        #expect(writer.finish(within: .seconds(5)))
        #expect(writer.queuedBytes == 0)
    }

    @Test func messagesOfManyThreadsAreNotInterleaved() throws {
        let pipe = Pipe()
        let writer = try makeWriter(on: pipe)
        for sender in 0..<8 {
            try startThread { for index in 0..<50 { writer.send(note(sender * 50 + index, size: 5000)) } }
        }
        let numbers = try pipe.readMessages(8 * 50).compactMap(number)
        #expect(numbers.sorted() == (0..<400).map { Int64($0) })
        for sender in 0..<8 {
            let own = numbers.filter { $0 / 50 == sender }
            #expect(own == own.sorted())
        }
    }

    @Test func aClientThatDoesNotReadCongestsTheQueueUntilItReads() throws {
        let pipe = Pipe()
        let writer = try makeWriter(on: pipe)
        let drained = Counter()
        writer.whenDrained { drained.increment() }
        #expect(drained.count == 1, "an empty queue is drained already")

        let size = 100_000
        var sent = 0
        while !writer.isCongested {
            writer.send(note(sent, size: size))
            sent += 1
        }
        #expect(writer.queuedBytes > MessageWriter.highWaterMark)
        #expect(writer.queuedBytes < MessageWriter.highWaterMark + 2 * size)
        writer.whenDrained { drained.increment() }
        #expect(drained.count == 1)

        let reading = try Background { [sent] in pipe.readMessages(sent) }
        writer.waitUntilDrained()
        #expect(!writer.isCongested)
        #expect(writer.queuedBytes <= MessageWriter.lowWaterMark)
        #expect(try reading.value?.map(number) == (0..<sent).map { Int64($0) })
        #expect(writer.finish(within: .seconds(5)))
        #expect(drained.count == 2)
    }

    @Test func aBrokenPipeIsReportedOnceAndReleasesEveryone() throws {
        let failures = Counter()
        let mayFail = Mutex(false)
        let drained = Counter()
        let writer = try MessageWriter(
            write: { _ in
                while !mayFail.withLock({ $0 }) { usleep(1000) }
                throw BrokenPipe()
            }, onBroken: { _ in failures.increment() })
        while !writer.isCongested { writer.send(note(0, size: 1_000_000)) }
        writer.whenDrained { drained.increment() }
        mayFail.withLock { $0 = true }
        writer.waitUntilDrained()
        #expect(writer.finish(within: .seconds(5)))
        writer.send(note(1))
        #expect(writer.queuedBytes == 0)
        #expect(failures.count == 1)
        #expect(drained.count == 1)
    }

    @Test func finishWritesWhatWasAcceptedAndDropsTheRest() throws {
        let pipe = Pipe()
        let writer = try makeWriter(on: pipe)
        for index in 0..<10 { writer.send(note(index)) }
        #expect(writer.finish(within: .seconds(5)))
        writer.send(note(10))
        #expect(writer.queuedBytes == 0)
        #expect(try pipe.readMessages(10).map(number) == (0..<10).map { Int64($0) })
    }

    @Test func finishDoesNotWaitForeverForAClientThatDoesNotRead() throws {
        let pipe = Pipe()
        let writer = try makeWriter(on: pipe)
        writer.send(note(0, size: 1_000_000))
        #expect(!writer.finish(within: .milliseconds(50)))
        #expect(try pipe.readMessages(1).map(number) == [0])
        #expect(writer.finish(within: .seconds(5)))
    }
}
