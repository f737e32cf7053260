import JSON
import Testing

@testable import Protocol

@Suite struct Base64Tests {
    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ])
    func theVectorsOfRFC4648(text: String, encoded: String) {
        #expect(Base64.encode(Array(text.utf8)) == encoded)
        #expect(Base64.decode(encoded) == Array(text.utf8))
    }

    @Test func everyByteInEveryPlaceReadsBackTheSame() {
        for length in 0...9 {
            for byte in UInt8.min...UInt8.max {
                let bytes = (0..<length).map { byte &+ UInt8($0) &* 37 }
                #expect(Base64.decode(Base64.encode(bytes)) == bytes)
            }
        }
    }

    @Test(arguments: [
        "Zg", "Zg=", "Zg===", "=", "====", "Z===", "Zg==Zg==", "Z=g=", "Zg= ", " Zg=", "Zg==\n", "Zm9v\n", "Zm9_",
        "Zm-v",
        "Zh==", "Zm9=", "Zé==", "\u{0}AAA",
    ])
    func refusesWhatIsNotBase64(text: String) {
        #expect(Base64.decode(text) == nil)
    }
}

@Suite struct UTF8StreamDecoderTests {
    private static let streams: [[UInt8]] = [
        Array("aé€😀z".utf8), [0xff], [0xc3], [0xc3, 0x28], [0xe2, 0x82], [0xe2, 0x82, 0xe2, 0x82, 0xac],
        [0xf0, 0x9f, 0x98],
        [0xf0, 0x9f, 0x98, 0x41], [0xed, 0xa0, 0x80], [0xc0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0x80, 0x80, 0x80, 0x80],
        [0xe0, 0x80, 0x80], [0xf0, 0x80, 0x80, 0x41], [0xf8, 0x88, 0x80, 0x80, 0x80], Array("a\u{0}b".utf8) + [0xf0],
    ]

    @Test(arguments: streams)
    func everySplitGivesWhatTheWholeGives(stream: [UInt8]) {
        let whole = String(decoding: stream, as: UTF8.self)
        for first in 0...stream.count {
            for second in first...stream.count {
                var decoder = UTF8StreamDecoder()
                let text =
                    decoder.decode(Array(stream[..<first])) + decoder.decode(Array(stream[first..<second]))
                    + decoder.decode(Array(stream[second...])) + decoder.finish()
                #expect(Array(text.utf8) == Array(whole.utf8), "split at \(first) and \(second)")
            }
        }
    }

    @Test func holdsBackOnlyAnUnfinishedCharacter() {
        var decoder = UTF8StreamDecoder()
        #expect(decoder.decode([0x61, 0xe2, 0x82]) == "a")
        #expect(decoder.decode([0xac, 0xff]) == "€\u{FFFD}")
        #expect(decoder.finish() == "")
        #expect(decoder.decode([0xe2]) == "")
        #expect(decoder.finish() == "\u{FFFD}")
        #expect(decoder.finish() == "")
    }

    @Test func base64PiecesStandByThemselves() {
        var encoder = DataStreamEncoder(.base64)
        #expect(encoder.encode([0xe2]) == "4g==")
        #expect(encoder.encode([0x82, 0xac]) == "gqw=")
        #expect(encoder.finish() == "")
    }
}

@Suite struct TimeTests {
    @Test(arguments: [
        (0, 0, "1970-01-01T00:00:00.000Z"), (951_782_400, 0, "2000-02-29T00:00:00.000Z"),
        (1_767_225_599, 999_999_999, "2025-12-31T23:59:59.999Z"),
        (4_107_542_400, 1_000_000, "2100-03-01T00:00:00.001Z"),
        (-1, 500_000_000, "1969-12-31T23:59:59.500Z"), (-62_135_596_800, 0, "0001-01-01T00:00:00.000Z"),
    ])
    func writesRFC3339(seconds: Int64, nanoseconds: Int64, expected: String) {
        #expect(Timestamp(seconds: seconds, nanoseconds: nanoseconds).json == .string(expected))
    }

    @Test func everyDayFollowsTheOneBefore() {
        var expected: (year: Int, month: Int, day: Int) = (1970, 1, 1)
        for number in 0..<(150 * 365) {
            let (year, month, day) = expected
            let text = Timestamp(seconds: Int64(number) * 86_400, nanoseconds: 0).rfc3339
            #expect(text.split(whereSeparator: { "-T".contains($0) }).prefix(3).map { Int($0) } == [year, month, day])
            let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
            let length = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]
            expected = day < length ? (year, month, day + 1) : month < 12 ? (year, month + 1, 1) : (year + 1, 1, 1)
        }
    }

    @Test(arguments: [
        (Duration.zero, 0.0), (.microseconds(1234), 1.234), (.nanoseconds(1_499), 0.001), (.nanoseconds(1_500), 0.002),
        (.seconds(100_000), 100_000_000.0),
    ])
    func durationsAreMillisecondsWithThreeDecimals(duration: Duration, milliseconds: Double) {
        #expect(duration.json == .double(milliseconds))
    }

    @Test func timesOfFilesAreMillisecondsToo() {
        #expect(Timestamp(seconds: 1, nanoseconds: 234_567_890).milliseconds == .double(1234.568))
    }
}
