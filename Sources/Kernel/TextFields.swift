/// The parts of what /proc tells, found by bytes: a search by characters takes ten times as long.
extension Substring {
    /// Without line feeds; empty lines are left out.
    public var lines: [Substring] { parts { $0 == UInt8(ascii: "\n") } }

    /// What spaces and other white space separate.
    public var words: [Substring] { parts(where: Self.isWhitespace) }

    /// The first `count` words, and what follows them without the white space before it.
    public func words(first count: Int) -> (words: [Substring], rest: Substring) {
        let parts = utf8.split(maxSplits: count, whereSeparator: Self.isWhitespace)
        let rest = parts.count > count ? parts[count].drop(while: Self.isWhitespace) : utf8.suffix(0)
        return (parts.prefix(count).map(Substring.init), Substring(rest))
    }

    /// Without white space at either end.
    public var trimmed: Substring {
        let end = utf8.lastIndex { !Self.isWhitespace($0) }
        return end.map { Substring(utf8[...$0].drop(while: Self.isWhitespace)) } ?? ""
    }

    public func hasPrefix(bytes prefix: StaticString) -> Bool {
        // unsafe: a static string outlives the call.
        unsafe utf8.starts(with: UnsafeBufferPointer(start: prefix.utf8Start, count: prefix.utf8CodeUnitCount))
    }

    private func parts(where isSeparator: (UInt8) -> Bool) -> [Substring] {
        utf8.split(whereSeparator: isSeparator).map(Substring.init)
    }

    private static func isWhitespace(_ byte: UInt8) -> Bool { byte == 0x20 || (byte >= 0x09 && byte <= 0x0d) }
}

extension String {
    public var lines: [Substring] { self[...].lines }
    public var words: [Substring] { self[...].words }
}
