import JSON

extension Duration: JSONEncodable {
    /// Milliseconds, rounded to three decimals: the unit of every duration on the wire.
    public var json: JSONValue {
        let (seconds, attoseconds) = components
        return .milliseconds(seconds: seconds, nanoseconds: attoseconds / 1_000_000_000)
    }
}

/// A point in time, as the kernel gives it.
public struct Timestamp: Equatable, Sendable, JSONEncodable {
    /// Since 1970-01-01T00:00:00Z.
    public let seconds: Int64
    /// 0 to 999,999,999.
    public let nanoseconds: Int64

    public init(seconds: Int64, nanoseconds: Int64) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }

    /// RFC 3339 in UTC with milliseconds: `2025-01-31T23:59:59.001Z`.
    public var json: JSONValue { .string(rfc3339) }

    /// Milliseconds since 1970 with three decimals, as in `mtimeMs`.
    var milliseconds: JSONValue { .milliseconds(seconds: seconds, nanoseconds: nanoseconds) }

    var rfc3339: String {
        let (days, secondOfDay) = seconds.flooredQuotientAndRemainder(by: 86_400)
        let (year, month, day) = Self.civil(daysSince1970: days)
        let date = "\(year.padded(4))-\(month.padded(2))-\(day.padded(2))"
        let (hour, minute, second) = (secondOfDay / 3600, secondOfDay / 60 % 60, secondOfDay % 60)
        let time = "\(hour.padded(2)):\(minute.padded(2)):\(second.padded(2)).\((nanoseconds / 1_000_000).padded(3))"
        return "\(date)T\(time)Z"
    }

    /// The Gregorian date of a day. Counts in eras of 400 years (146,097 days) whose years begin on 1 March, so that
    /// the leap day is the last of its year.
    private static func civil(daysSince1970: Int64) -> (year: Int64, month: Int64, day: Int64) {
        // 719,468 days lie between 0000-03-01 and 1970-01-01.
        let (era, dayOfEra) = (daysSince1970 + 719_468).flooredQuotientAndRemainder(by: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        // From March on, months of 31, 30, 31, 30, 31 days repeat: 153 days in five months.
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        return (era * 400 + yearOfEra + (month <= 2 ? 1 : 0), month, day)
    }
}

extension JSONValue {
    fileprivate static func milliseconds(seconds: Int64, nanoseconds: Int64) -> JSONValue {
        let microseconds = seconds * 1_000_000 + (nanoseconds + 500) / 1000
        return .double(Double(microseconds) / 1000)
    }
}

extension Int64 {
    fileprivate func flooredQuotientAndRemainder(by divisor: Int64) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }

    fileprivate func padded(_ width: Int) -> String {
        let digits = String(self)
        return String(repeating: "0", count: Swift.max(0, width - digits.utf8.count)) + digits
    }
}
