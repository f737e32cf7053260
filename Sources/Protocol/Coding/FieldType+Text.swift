import JSON

extension FieldType<String> {
    /// Any text.
    static var text: FieldType { FieldType("a string", \.stringValue) }

    /// An id. One of another shape than the engine's is simply not found.
    static var id: FieldType { text }

    /// What a person calls a thing; line breaks and all.
    static var name: FieldType {
        FieldType("a string of 1 to \(FieldLimit.name) bytes") { value in
            value.stringValue.flatMap { (1...FieldLimit.name).contains($0.utf8.count) ? $0 : nil }
        }
    }

    static var absolutePath: FieldType {
        FieldType("an absolute path without NUL, of at most \(FieldLimit.path) bytes") { value in
            value.stringValue.flatMap { $0.isAbsolutePath ? $0 : nil }
        }
    }

    static var argument: FieldType {
        FieldType("a string without NUL, of at most \(FieldLimit.argument) bytes") { value in
            value.stringValue.flatMap { $0.isArgument ? $0 : nil }
        }
    }

    static var environmentName: FieldType {
        FieldType("the name of a variable: not empty, without `=` and NUL, of at most \(FieldLimit.argument) bytes") {
            value in
            value.stringValue.flatMap {
                !$0.isEmpty && $0.isArgument && !$0.utf8.contains(UInt8(ascii: "=")) ? $0 : nil
            }
        }
    }

    /// A user inside the sandbox as people write it: `node`, `1000`, `1000:1000`.
    static var user: FieldType {
        FieldType("a user's name or number, optionally with `:` and a group, of 1 to \(FieldLimit.user) bytes") {
            value in
            value.stringValue.flatMap { text in
                (1...FieldLimit.user).contains(text.utf8.count) && !text.utf8.contains(where: \.isBlankOrControl)
                    ? text : nil
            }
        }
    }

    static var imageReference: FieldType {
        FieldType("an image's name without spaces, of 1 to \(FieldLimit.imageReference) bytes") { value in
            value.stringValue.flatMap { text in
                (1...FieldLimit.imageReference).contains(text.utf8.count)
                    && !text.utf8.contains(where: \.isBlankOrControl) ? text : nil
            }
        }
    }

    static var hostname: FieldType {
        FieldType(
            "a host name: letters, digits, `-` and `.`, of 1 to \(FieldLimit.hostname) bytes"
        ) { value in
            value.stringValue.flatMap { $0.isHostname ? $0 : nil }
        }
    }
}

extension FieldType<[String: String]> {
    static var environment: FieldType { .map(name: .environmentName, value: .argument) }
    static var labels: FieldType { .map(name: .name, value: .text) }
}

extension String {
    fileprivate var isArgument: Bool { utf8.count <= FieldLimit.argument && !utf8.contains(0) }

    fileprivate var isAbsolutePath: Bool {
        utf8.first == UInt8(ascii: "/") && utf8.count <= FieldLimit.path && !utf8.contains(0)
    }

    /// RFC 1123: labels of letters, digits and inner hyphens, separated by single dots.
    fileprivate var isHostname: Bool {
        let hyphen = UInt8(ascii: "-")
        return utf8.count <= FieldLimit.hostname
            && utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy { label in
                !label.isEmpty && label.first != hyphen && label.last != hyphen
                    && label.allSatisfy { $0.isLetterOrDigit || $0 == hyphen }
            }
    }
}

extension UInt8 {
    fileprivate var isBlankOrControl: Bool { self <= 0x20 || self == 0x7f }

    fileprivate var isLetterOrDigit: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }
}
