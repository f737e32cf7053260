import JSON

/// What an image asks for every command in it (OCI image specification, config.md).
public struct ImageSettings: Sendable, Equatable {
    public var environment: [String: String]
    /// Where commands start.
    public var directory: String
    public var user: String
    /// The program that the image was made for, and its usual arguments.
    public var entrypoint: [String]?
    public var command: [String]?

    /// What holds where an image does not say.
    public static let none = ImageSettings(
        environment: [:], directory: "/", user: "root", entrypoint: nil, command: nil)
}

extension ImageSettings {
    /// - Parameter config: the image's whole configuration; empty for a plain root filesystem.
    init(config: JSONValue) {
        let settings = config["config"]
        environment = Self.variables(settings?["Env"])
        directory = Self.absolute(settings?["WorkingDir"]?.stringValue ?? "")
        let user = settings?["User"]?.stringValue ?? ""
        self.user = user.isEmpty ? Self.none.user : user
        entrypoint = Self.words(settings?["Entrypoint"])
        command = Self.words(settings?["Cmd"])
    }

    /// An image's configuration with these settings in place of its own.
    func written(into config: JSONValue) -> JSONValue {
        var members = config.objectValue ?? [:]
        var settings = members["config"]?.objectValue ?? [:]
        settings["Env"] = .array(environment.sorted { $0.key < $1.key }.map { .string("\($0.key)=\($0.value)") })
        settings["WorkingDir"] = .string(directory)
        settings["User"] = .string(user)
        members["config"] = .object(settings)
        return .object(members)
    }

    /// The last of several with one name counts; what is no assignment names no variable.
    private static func variables(_ list: JSONValue?) -> [String: String] {
        var variables: [String: String] = [:]
        for case .string(let text) in list?.arrayValue ?? [] {
            guard let equals = text.firstIndex(of: "="), equals != text.startIndex else { continue }
            variables[String(text[..<equals])] = String(text[text.index(after: equals)...])
        }
        return variables
    }

    private static func absolute(_ path: String) -> String { path.hasPrefix("/") ? path : "/" + path }

    private static func words(_ list: JSONValue?) -> [String]? {
        let words = list?.arrayValue?.compactMap(\.stringValue) ?? []
        return words.isEmpty ? nil : words
    }
}

extension ImageRecord {
    public var settings: ImageSettings { ImageSettings(config: config) }
}
