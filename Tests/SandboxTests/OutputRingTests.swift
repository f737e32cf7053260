import Testing

@testable import Sandbox

@Suite struct OutputRingTests {
    private func text(_ ring: OutputRing, from cursor: Int) -> [(CommandStream, String)] {
        var (pieces, cursor): ([(CommandStream, String)], Int) = ([], cursor)
        while let piece = ring.piece(at: cursor, upTo: 1 << 30) {
            pieces.append((piece.stream, String(decoding: piece.bytes, as: UTF8.self)))
            cursor += piece.bytes.count
        }
        return pieces
    }

    @Test func keepsBothStreamsInOrder() {
        var ring = OutputRing()
        ring.append(Array("ab".utf8), from: .standardOutput, keepingFrom: nil)
        ring.append(Array("c".utf8), from: .standardOutput, keepingFrom: nil)
        ring.append(Array("de".utf8), from: .standardError, keepingFrom: nil)
        ring.append(Array("f".utf8), from: .standardOutput, keepingFrom: nil)
        #expect(ring.end == 6)
        #expect(text(ring, from: 0).map(\.1) == ["abc", "de", "f"])
        #expect(text(ring, from: 4).map(\.1) == ["e", "f"])
        #expect(text(ring, from: 4).map(\.0) == [.standardError, .standardOutput])
        #expect(text(ring, from: 6).isEmpty)
    }

    @Test func saysWhereTheOtherStreamGoesOn() {
        var ring = OutputRing()
        ring.append(Array("abc".utf8), from: .standardOutput, keepingFrom: nil)
        #expect(ring.piece(at: 0, upTo: 10)?.isCut == false)
        ring.append(Array("d".utf8), from: .standardError, keepingFrom: nil)
        #expect(ring.piece(at: 0, upTo: 10)?.isCut == true)
        #expect(ring.piece(at: 0, upTo: 2)?.isCut == false)
        #expect(ring.piece(at: 3, upTo: 10)?.isCut == false)
    }

    @Test func dropsTheOldestBeyondItsCapacity() {
        var ring = OutputRing()
        for number in 0..<100 {
            let stream: CommandStream = number % 2 == 0 ? .standardOutput : .standardError
            ring.append([UInt8](repeating: UInt8(number), count: 50_000), from: stream, keepingFrom: nil)
        }
        #expect(ring.end == 5_000_000)
        #expect(ring.start == 5_000_000 - OutputRing.capacity)
        #expect(ring.content.count == OutputRing.capacity)
        #expect(ring.piece(at: ring.start, upTo: 1)?.bytes.first == UInt8(ring.start / 50_000))
        #expect(ring.piece(at: 4_999_999, upTo: 1)?.bytes.first == 99)
    }

    @Test func dropsNothingThatAnAttachedClientIsToGet() {
        var ring = OutputRing()
        ring.append([UInt8](repeating: 1, count: 100), from: .standardOutput, keepingFrom: 50)
        ring.append([UInt8](repeating: 2, count: 3 << 20), from: .standardOutput, keepingFrom: 50)
        #expect(ring.start == 50)
        #expect(ring.piece(at: 50, upTo: 1)?.bytes.first == 1)
        ring.append([3], from: .standardOutput, keepingFrom: nil)
        #expect(ring.start == ring.end - OutputRing.capacity)
    }

    @Test func boundsTheChangesOfStream() {
        var ring = OutputRing()
        for number in 0..<200_000 {
            ring.append([0], from: number % 2 == 0 ? .standardOutput : .standardError, keepingFrom: nil)
        }
        #expect(ring.keptRuns.count <= 1 << 15)
        #expect(ring.end == 200_000)
        #expect(ring.piece(at: ring.start, upTo: 10)?.bytes.count == 1)
    }

    @Test func clearingKeepsTheCursor() {
        var ring = OutputRing()
        ring.append([1, 2, 3], from: .standardOutput, keepingFrom: nil)
        ring.clear()
        #expect((ring.start, ring.end, ring.content.count) == (3, 3, 0))
    }

    @Test func isMadeAgainOfItsParts() throws {
        var ring = OutputRing()
        for number in 0..<40 {
            let stream: CommandStream = number % 3 == 0 ? .standardOutput : .standardError
            ring.append([UInt8](repeating: UInt8(number), count: 40_000), from: stream, keepingFrom: nil)
        }
        let again = try #require(OutputRing(end: ring.end, content: Array(ring.content), runs: Array(ring.keptRuns)))
        #expect(again == ring)
        #expect(text(again, from: ring.start).map(\.1) == text(ring, from: ring.start).map(\.1))
        #expect(OutputRing(end: 3, content: [1, 2], runs: []) == nil)
        #expect(OutputRing(end: 1, content: [1, 2], runs: [.init(stream: .standardOutput, end: 1)]) == nil)
        #expect(OutputRing(end: 9, content: [], runs: []) == OutputRing(startingAt: 9))
    }
}
