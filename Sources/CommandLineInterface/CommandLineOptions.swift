/// What the words of a command line ask for.
public enum CommandLineAction: Equatable, Sendable {
    /// Speak the protocol on standard input and output.
    case serve(store: String?)
    case doctor(json: Bool, store: String?)
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
}

/// The options seen so far.
private struct CommandLineOptions {
    private var isDoctor = false
    private var isJSON = false
    private var store: String?

    mutating func take(_ word: String, from words: inout ArraySlice<String>) throws(CommandLineError) {
        if word == "doctor", !isDoctor {
            isDoctor = true
        } else if word == "--json" {
            isJSON = true
        } else if word == "--store" {
            guard let path = words.popFirst() else { throw CommandLineError("--store needs a path") }
            try setStore(path)
        } else if word.hasPrefix("--store=") {
            try setStore(String(word.dropFirst("--store=".count)))
        } else if word.hasPrefix("-") {
            throw CommandLineError("unknown option \(quoted(word))")
        } else {
            throw CommandLineError("unexpected word \(quoted(word))")
        }
    }

    private mutating func setStore(_ path: String) throws(CommandLineError) {
        if store != nil { throw CommandLineError("--store is given twice") }
        if path.isEmpty { throw CommandLineError("--store needs a path that is not empty") }
        store = path
    }

    func action() throws(CommandLineError) -> CommandLineAction {
        if isDoctor { return .doctor(json: isJSON, store: store) }
        if isJSON { throw CommandLineError("--json is an option of the command doctor") }
        return .serve(store: store)
    }

    /// The message shall stay one line whatever the word holds.
    private func quoted(_ word: String) -> String {
        "'" + word.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7f ? "?" : String($0) }.joined() + "'"
    }
}
