/// Why bytes are not the JSON that is accepted here, and where: `line 3, column 14: ']' expected near '}'`.
public struct JSONParseError: Error, Equatable, CustomStringConvertible {
    /// Counted from 1; 0 when the error belongs to no place.
    public let line: Int
    /// Counted from 1, in characters.
    public let column: Int
    /// What is wrong, as a phrase.
    public let text: String

    public init(line: Int, column: Int, text: String) {
        self.line = line
        self.column = column
        self.text = text
    }

    public var description: String { "line \(line), column \(column): \(text)" }
}
