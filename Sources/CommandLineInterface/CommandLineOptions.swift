/// What the words of a command line ask for.
public enum CommandLineAction: Equatable, Sendable {
    /// Speak the protocol on standard input and output.
    case serve(store: String?)
    case doctor(json: Bool, store: String?)
    case image(ImageAction, store: String?)
    case help
    case version

    /// - Parameter arguments: the words after the program's name.
    public init(parsing arguments: [String]) throws(CommandLineError) {
        var options = CommandLineOptions()
        var words = arguments[...]
        while let word = words.popFirst() {
            switch word {
            // Whatever else was written, who asks for help gets it.
            case "--help", "-h":
                self = .help
                return
            case "--version":
                self = .version
                return
            default: try options.take(word, from: &words)
            }
        }
        self = try options.action()
    }
}

/// A command line that asks for nothing that there is. The process shall print `message` to standard error and exit
/// with `exitCode`.
public struct CommandLineError: Error, Equatable {
    public static let exitCode: Int32 = 2

    /// One line, without a line end, that ends with how to see the usage.
    public let message: String

    init(_ reason: String) { message = "isorun-engine: \(reason); see: isorun-engine --help" }

    /// The message shall stay one line whatever the word holds.
    static func quoted(_ word: String) -> String {
        "'" + word.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7f ? "?" : String($0) }.joined() + "'"
    }
}

/// The options seen so far.
private struct CommandLineOptions {
    private enum Command { case doctor, image }

    private var command: Command?
    /// What follows `image`.
    private var imageWords: [String] = []
    private var isJSON = false
    private var store: String?
    private var compression: String?

    mutating func take(_ word: String, from words: inout ArraySlice<String>) throws(CommandLineError) {
        if word == "--json" {
            isJSON = true
        } else if let path = try value(of: "--store", "a path", word, &words) {
            if store != nil { throw CommandLineError("--store is given twice") }
            store = path
        } else if let name = try value(of: "--compression", "a name", word, &words) {
            compression = name
        } else if word.hasPrefix("-") {
            throw CommandLineError("unknown option \(CommandLineError.quoted(word))")
        } else if command == .image {
            imageWords.append(word)
        } else if command == nil, word == "doctor" {
            command = .doctor
        } else if command == nil, word == "image" {
            command = .image
        } else {
            throw CommandLineError("unexpected word \(CommandLineError.quoted(word))")
        }
    }

    /// The value of an option that has one, in the same word or the next; nil when the word is another option.
    private func value(
        of option: String, _ kind: String, _ word: String, _ words: inout ArraySlice<String>
    ) throws(CommandLineError) -> String? {
        let value: String
        if word == option {
            guard let next = words.popFirst() else { throw CommandLineError("\(option) needs \(kind)") }
            value = next
        } else if word.hasPrefix(option + "=") {
            value = String(word.dropFirst(option.count + 1))
        } else {
            return nil
        }
        if value.isEmpty { throw CommandLineError("\(option) needs \(kind) that is not empty") }
        return value
    }

    func action() throws(CommandLineError) -> CommandLineAction {
        if command == .image {
            return .image(try ImageAction(imageWords, isJSON: isJSON, compression: compression), store: store)
        }
        if compression != nil { throw CommandLineError("--compression is an option of the command image export") }
        if command == .doctor { return .doctor(json: isJSON, store: store) }
        if isJSON { throw CommandLineError("--json is an option of the commands doctor and image ls") }
        return .serve(store: store)
    }
}
