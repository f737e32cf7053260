import Glibc
import Kernel

/// The name of an object of the store, which is also its file name: so only a checked one can exist.
public protocol ObjectID: RawRepresentable, Hashable, Sendable, CustomStringConvertible where RawValue == String {
    /// What every new name begins with; 16 hexadecimal digits follow.
    static var prefix: String { get }

    /// - Returns: nil when `rawValue` is no well-formed name.
    init?(rawValue: String)
}

extension ObjectID {
    public var description: String { rawValue }

    /// A name that nobody has: 64 random bits.
    public static func random() -> Self {
        guard let id = Self(rawValue: prefix + randomHex16()) else {
            preconditionFailure("\(prefix) and 16 digits are a well-formed name")
        }
        return id
    }

    var path: FilePath { FilePath(verbatim: rawValue) }

    static func isWellFormed(_ text: String) -> Bool {
        text.hasPrefix(prefix) && isHex(text.dropFirst(prefix.count), digits: 16)
    }
}

public struct SandboxID: ObjectID {
    public static let prefix = "run"
    public let rawValue: String
    public init?(rawValue: String) {
        guard Self.isWellFormed(rawValue) else { return nil }
        self.rawValue = rawValue
    }
}

public struct SnapshotID: ObjectID {
    public static let prefix = "snap"
    public let rawValue: String
    public init?(rawValue: String) {
        guard Self.isWellFormed(rawValue) else { return nil }
        self.rawValue = rawValue
    }
}

/// An engine process that has the store open.
public struct EngineID: ObjectID {
    public static let prefix = "engine"
    public let rawValue: String
    public init?(rawValue: String) {
        guard Self.isWellFormed(rawValue) else { return nil }
        self.rawValue = rawValue
    }
}

/// One folder of files of a sandbox; it gets a new one with each seal and rollback.
public struct FilesID: ObjectID {
    public static let prefix = "files-"
    public let rawValue: String
    public init?(rawValue: String) {
        guard Self.isWellFormed(rawValue) else { return nil }
        self.rawValue = rawValue
    }
}

/// An immutable layer: sealed from a sandbox (`layer…`), merged from others (`merge…`), or of an image (`sha256-…`).
public struct LayerID: ObjectID {
    public static let prefix = "layer"
    static let mergedPrefix = "merge"
    static let imagePrefix = "sha256-"

    public let rawValue: String

    public init?(rawValue: String) {
        let isMerged = rawValue.hasPrefix(Self.mergedPrefix) && isHex(rawValue.dropFirst(5), digits: 16)
        let isImage = rawValue.hasPrefix(Self.imagePrefix) && isHex(rawValue.dropFirst(7), digits: 64)
        guard Self.isWellFormed(rawValue) || isMerged || isImage else { return nil }
        self.rawValue = rawValue
    }

    /// The layer that holds the unpacked archive with this digest of its tar stream (its diff id).
    init(imageLayer digest: ImageDigest) { rawValue = Self.imagePrefix + digest.hex }

    static func randomMerged() -> LayerID {
        guard let id = LayerID(rawValue: mergedPrefix + randomHex16()) else {
            preconditionFailure("the prefix and 16 digits are a well-formed name")
        }
        return id
    }

    var isMerged: Bool { rawValue.hasPrefix(Self.mergedPrefix) }
}

/// `sha256:` and 64 hexadecimal digits.
public struct ImageDigest: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    static let algorithm = "sha256:"

    public let rawValue: String

    /// - Returns: nil when `rawValue` is no well-formed SHA-256 digest.
    public init?(rawValue: String) {
        guard rawValue.hasPrefix(Self.algorithm), isHex(rawValue.dropFirst(Self.algorithm.count), digits: 64) else {
            return nil
        }
        self.rawValue = rawValue
    }

    public var description: String { rawValue }
    var hex: String { String(rawValue.dropFirst(Self.algorithm.count)) }
    /// The image's folder name; a colon in paths disturbs mount options.
    var path: FilePath { FilePath(verbatim: "sha256-" + hex) }

    init?(folderName: String) { self.init(rawValue: Self.algorithm + folderName.dropFirst(7)) }
}

private func isHex(_ text: Substring, digits: Int) -> Bool {
    text.utf8.count == digits
        && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
}

/// 64 random bits as 16 lower-case hexadecimal digits.
func randomHex16() -> String {
    // SystemRandomNumberGenerator is getrandom(2) on Linux.
    var generator = SystemRandomNumberGenerator()
    return hex(generator.next())
}

/// A number as 16 lower-case hexadecimal digits.
func hex(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
}
