/// What `isorun-engine image …` shall do with the images of a store.
public enum ImageAction: Equatable, Sendable {
    case importing(path: String, ref: String)
    case pull(ref: String)
    case list(json: Bool)
    case remove(refs: [String])
    case commit(snapshot: String, ref: String)
    case export(ref: String, path: String, compression: String)

    /// In bytes, as the protocol has it.
    private static let maxReferenceLength = 512

    /// - Parameters:
    ///   - words: what follows `image`, without the options.
    ///   - compression: of `--compression`; nil when it was not given.
    init(_ words: [String], isJSON: Bool, compression: String?) throws(CommandLineError) {
        guard let name = words.first else {
            throw CommandLineError("image needs a command: import, pull, ls, rm, commit or export")
        }
        self = try Self.action(name, Array(words.dropFirst()), isJSON: isJSON, compression ?? "gzip")
        for ref in references {
            if ref == "host" {
                throw CommandLineError("host is the built-in image, which cannot be replaced, removed or exported")
            }
            let isPlain = ref.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7f }
            if !isPlain || !(1...Self.maxReferenceLength).contains(ref.utf8.count) {
                throw CommandLineError("\(CommandLineError.quoted(ref)) is no name for an image")
            }
        }
        if isJSON, name != "ls" { throw CommandLineError("--json is an option of the commands doctor and image ls") }
        guard let compression else { return }
        if name != "export" { throw CommandLineError("--compression is an option of the command image export") }
        if !["gzip", "zstd", "none"].contains(compression) {
            throw CommandLineError("--compression is gzip, zstd or none")
        }
    }

    private static func action(
        _ name: String, _ words: [String], isJSON: Bool, _ compression: String
    ) throws(CommandLineError) -> ImageAction {
        switch (name, words.count) {
        case ("import", 2): return .importing(path: words[0], ref: words[1])
        case ("import", _): throw CommandLineError("image import needs a PATH and a REF")
        case ("pull", 1): return .pull(ref: words[0])
        case ("pull", _): throw CommandLineError("image pull needs one REF")
        case ("ls", 0): return .list(json: isJSON)
        case ("ls", _): throw CommandLineError("image ls takes no names")
        case ("rm", 1...): return .remove(refs: words)
        case ("rm", _): throw CommandLineError("image rm needs a REF")
        case ("commit", 2): return .commit(snapshot: words[0], ref: words[1])
        case ("commit", _): throw CommandLineError("image commit needs a SNAPSHOT and a REF")
        case ("export", 2): return .export(ref: words[0], path: words[1], compression: compression)
        case ("export", _): throw CommandLineError("image export needs a REF and a PATH")
        default: throw CommandLineError("image has no command \(CommandLineError.quoted(name))")
        }
    }

    /// The names of images in it.
    private var references: [String] {
        switch self {
        case .list: []
        case .importing(_, let ref), .pull(let ref), .commit(_, let ref), .export(let ref, _, _): [ref]
        case .remove(let refs): refs
        }
    }
}
